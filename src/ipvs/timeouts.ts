/** How long the kernel keeps a silent connection, in seconds. */
export interface KernelTimeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

/** Reads the output of `ipvsadm -Ln --timeout` (1.31): `Timeout (tcp tcpfin udp): 900 120 300`. undefined: it says something else. */
export function parseTimeouts(text: string): KernelTimeouts | undefined {
  const [, tcp, tcpFin, udp] = /^Timeout \(tcp tcpfin udp\): (\d+) (\d+) (\d+)$/m.exec(text) ?? [];
  return udp === undefined ? undefined : { tcp: Number(tcp), tcpFin: Number(tcpFin), udp: Number(udp) };
}
