import { parseSyncDaemons, type SyncDaemon, type SyncRole } from "../ipvs/sync-daemons.ts";
import { type KernelTimeouts, parseTimeouts } from "../ipvs/timeouts.ts";
import { askIpvsadm, type IpvsadmOptions } from "./ipvsadm.ts";

/** What ipvsadm keeps beside the table. Every method ends soon after `signal` aborts, and rejects with ipvsadm's words where it is refused. */
export interface IpvsSettings {
  timeouts(signal: AbortSignal): Promise<KernelTimeouts>;
  /** What is left out stays as it is. 1 to 2678400 seconds. */
  setTimeouts(timeouts: Partial<KernelTimeouts>, signal: AbortSignal): Promise<void>;
  /** Those that run. */
  daemons(signal: AbortSignal): Promise<readonly SyncDaemon[]>;
  startDaemon(daemon: SyncDaemon, signal: AbortSignal): Promise<void>;
  stopDaemon(role: SyncRole, signal: AbortSignal): Promise<void>;
}

/** The kernel's, by way of ipvsadm. */
export function ipvsadmSettings(options: IpvsadmOptions): IpvsSettings {
  const order = async (words: string, signal: AbortSignal): Promise<void> =>
    void (await askIpvsadm(options, words.split(" "), signal));
  return {
    async timeouts(signal) {
      const text = await askIpvsadm(options, ["-Ln", "--timeout"], signal);
      const timeouts = parseTimeouts(text);
      if (timeouts === undefined) throw new Error(`${options.command} -Ln --timeout: cannot read "${text.trim()}"`);
      return timeouts;
    },
    // 0 leaves a timeout as it is (ipvsadm(8), --set).
    setTimeouts: ({ tcp = 0, tcpFin = 0, udp = 0 }, signal) => order(`--set ${tcp} ${tcpFin} ${udp}`, signal),
    async daemons(signal) {
      return parseSyncDaemons(await askIpvsadm(options, ["-Ln", "--daemon"], signal));
    },
    startDaemon: ({ role, interface: device, id }, signal) =>
      order(`--start-daemon ${role} --mcast-interface ${device} --syncid ${id}`, signal),
    stopDaemon: (role, signal) => order(`--stop-daemon ${role}`, signal),
  };
}

/** The same in this process, with the timeouts a kernel starts with. */
export function memorySettings(): IpvsSettings {
  let held: KernelTimeouts = { tcp: 900, tcpFin: 120, udp: 300 };
  let running: readonly SyncDaemon[] = [];
  return {
    timeouts: async () => held,
    async setTimeouts(timeouts) {
      held = { ...held, ...timeouts };
    },
    daemons: async () => running,
    async startDaemon(daemon) {
      if (running.some(({ role }) => role === daemon.role)) throw new Error("Daemon has already run");
      running = [...running, daemon];
    },
    async stopDaemon(role) {
      if (!running.some((daemon) => daemon.role === role)) throw new Error("No daemon is running");
      running = running.filter((daemon) => daemon.role !== role);
    },
  };
}
