import { readFileSync } from "node:fs";
import { must } from "./run.ts";

export interface KernelServer {
  readonly forward: "Masq" | "Route" | "Tunnel" | "Local";
  readonly weight: number;
  readonly active: number;
  readonly inactive: number;
}

export interface KernelService {
  readonly scheduler: string;
  /** By `10.9.1.2:80` or `[fd00:9:1::2]:80`. */
  readonly servers: Readonly<Record<string, KernelServer>>;
}

/** The kernel's table by `tcp:10.100.0.1:80`, `udp:[fd00:100::1]:53`, `fwmark:7`, read from /proc without a process. Deliberately not the
 *  project's own reader: what is tested does not judge itself. */
export function kernelTable(): Readonly<Record<string, KernelService>> {
  const table: Record<string, { scheduler: string; servers: Record<string, KernelServer> }> = {};
  let servers: Record<string, KernelServer> | undefined;
  for (const line of readFileSync("/proc/net/ip_vs", "utf8").split("\n").slice(3)) {
    const [first, second, ...rest] = line.trim().split(/\s+/);
    if (first === "->" && servers !== undefined) {
      const [forward, weight, active, inactive] = rest as [KernelServer["forward"], string, string, string];
      servers[endpoint(second!)] = {
        forward,
        weight: Number(weight),
        active: Number(active),
        inactive: Number(inactive),
      };
    } else if (first !== undefined && first !== "") {
      servers = {};
      const name =
        first === "FWM" ? `fwmark:${Number.parseInt(second!, 16)}` : `${first.toLowerCase()}:${endpoint(second!)}`;
      table[name] = { scheduler: rest[0]!, servers };
    }
  }
  return table;
}

/** The weights of one service, sorted by server; undefined while the kernel does not have the service. */
export function weights(service: string): Readonly<Record<string, number>> | undefined {
  const servers = kernelTable()[service]?.servers;
  if (servers === undefined) return undefined;
  const entries = Object.entries(servers).map(([name, server]) => [name, server.weight] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `ipvsadm -Sn`, as the kernel tells it. */
export function savedRules(): Promise<string> {
  return must(["/usr/sbin/ipvsadm", "-Sn"]);
}

/** Writes a table by hand: lines as `ipvsadm -R` takes them. What ipvsadm complains about is thrown; its exit code only speaks of the last line. */
export async function setTable(rules: string): Promise<void> {
  const lines = rules.split("\n").map((line) => line.trim());
  for (const line of lines.filter((line) => line !== "")) await must(["/usr/sbin/ipvsadm", ...line.split(/\s+/)]);
}

/** `0A640001:0050` and `[fd00:0100:0000:...:0001]:0050`, as /proc/net/ip_vs writes them. */
function endpoint(hex: string): string {
  const at = hex.lastIndexOf(":");
  const [address, port] = [hex.slice(0, at), Number.parseInt(hex.slice(at + 1), 16)];
  if (!address.startsWith("["))
    return `${address
      .match(/../g)!
      .map((byte) => Number.parseInt(byte, 16))
      .join(".")}:${port}`;
  return `${new URL(`http://${address}`).hostname}:${port}`;
}
