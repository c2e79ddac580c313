export type SyncRole = "master" | "backup";

/** One of the kernel's two connection sync daemons, as far as we set it up. */
export interface SyncDaemon {
  readonly role: SyncRole;
  readonly interface: string;
  /** 0 to 255. */
  readonly id: number;
}

/** Reads the output of `ipvsadm -Ln --daemon` (1.31), a line for each daemon that runs and nothing where none does:
 *  `master sync daemon (mcast=eth1, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)`. */
export function parseSyncDaemons(text: string): readonly SyncDaemon[] {
  const found = text.matchAll(/^(master|backup) sync daemon \(mcast=([^,)]+), syncid=(\d+)/gm);
  return Array.from(found, ([, role, device, id]) => ({ role: role as SyncRole, interface: device!, id: Number(id) }));
}
