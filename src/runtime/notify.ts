import type { Millis } from "../model/time.ts";
import { runCommand } from "./run-command.ts";

/** Talks to systemd, when it started us. Messages keep their order; each is sent before the next (sd_notify(3)). */
export interface Notifier {
  ready(): Promise<void>;
  /** One line for `systemctl status`; swallowed when it is what was said last. */
  status(text: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(): Promise<void>;
  /** Tells the watchdog that the work goes on; swallowed when the last one is recent. */
  alive(): void;
  /** The same as long as `work` lasts, which must have a deadline of its own. */
  during<T>(work: Promise<T>): Promise<T>;
  /** Half of the watchdog's period; undefined: no watchdog. */
  readonly heartbeat: Millis | undefined;
}

/** Characters of a status line; it is read in `systemctl status`. */
const MOST_STATUS = 500;

/** By `systemd-notify`, which is wherever NOTIFY_SOCKET is: about 7 ms of CPU a call, every 7 seconds; Node has no datagram unix sockets, and the
 *  packages that bring them need a compiler. The unit must say NotifyAccess=all. */
export function createNotifier(environment: NodeJS.ProcessEnv, onError: (problem: string) => void): Notifier {
  const socket = environment.NOTIFY_SOCKET;
  const forUs = environment.WATCHDOG_PID === undefined || environment.WATCHDOG_PID === String(process.pid);
  const period = forUs ? Number(environment.WATCHDOG_USEC ?? 0) / 1000 : 0;
  const never = new AbortController().signal;
  let queue: Promise<void> = Promise.resolve();
  let pending = 0;
  let lastAlive = 0;
  let lastStatus = "";
  let complained = false;

  function send(...fields: readonly string[]): Promise<void> {
    if (socket === undefined) return Promise.resolve();
    pending++;
    queue = queue.then(async () => {
      try {
        const env = { NOTIFY_SOCKET: socket, PATH: "/usr/bin:/bin" };
        const result = await runCommand(["systemd-notify", ...fields], { timeoutMs: 10_000, env }, never);
        if (result.code !== 0) throw new Error(result.stderr.trim() || `exit code ${result.code}`);
        complained = false;
      } catch (error) {
        if (!complained) onError(`systemd-notify: ${error instanceof Error ? error.message : error}`);
        complained = true;
      } finally {
        pending--;
      }
    });
    return queue;
  }

  function alive(): void {
    const now = performance.now();
    if (period === 0 || pending > 0 || now - lastAlive < period / 4) return;
    lastAlive = now;
    void send("WATCHDOG=1");
  }

  return {
    heartbeat: period > 0 ? period / 2 : undefined,
    ready: () => send("READY=1"),
    status(text) {
      // A line break would begin another field.
      const line = text.replace(/\s+/g, " ").slice(0, MOST_STATUS);
      if (line === lastStatus) return Promise.resolve();
      lastStatus = line;
      return send(`STATUS=${line}`);
    },
    // MONOTONIC_USEC belongs to RELOADING=1 for systemd 253 and newer (Type=notify-reload waits for it).
    reloading: () => send("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => send("STOPPING=1"),
    alive,
    async during(work) {
      if (period === 0) return work;
      const timer = setInterval(alive, period / 4);
      try {
        return await work;
      } finally {
        clearInterval(timer);
      }
    },
  };
}
