import type { Service } from "../model/service.ts";
import { formatDuration, type Millis } from "../model/time.ts";
import type { Drain } from "../policy/drain.ts";

/** A step should carry at least this many wrr cycles: within a cycle the heaviest server has its connections in a row, and each edit sends
 *  the scheduler back to the newest server. */
const CYCLES_A_STEP = 2;

/** Why a step is too short for its shares to be seen; undefined when it is long enough, or the rate is not known.
 *  @param rate new connections a second of the service */
export function tooFast(every: Millis, cycle: number, rate: number | undefined): string | undefined {
  if (rate === undefined || every === 0 || cycle === 0) return undefined;
  const carried = (rate * every) / 1000;
  if (carried >= CYCLES_A_STEP * cycle) return undefined;
  const needed =
    rate === 0 ? "" : `; two cycles take ${formatDuration(Math.ceil((CYCLES_A_STEP * cycle) / rate) * 1000)}`;
  return `a step of ${formatDuration(every)} carries ${Math.round(carried)} connections at the present ${Math.round(rate * 10) / 10}/s, fewer than two wrr cycles of ${cycle}${needed}: the counted shares will be off`;
}

export interface SysctlNote {
  readonly name: string;
  readonly value: number | undefined;
  readonly consequence: string;
}

/** The kernel settings that decide whether this drain can end, with what their present value means for it. */
export function sysctlNotes(
  drain: Drain,
  service: Service,
  sysctl: (name: string) => number | undefined,
): readonly SysctlNote[] {
  const notes: SysctlNote[] = [];
  const note = (name: string, texts: readonly [zero: string, one: string]) => {
    const value = sysctl(name);
    notes.push({
      name: `net.ipv4.vs.${name}`,
      value,
      consequence: value === undefined ? "not readable" : texts[value > 0 ? 1 : 0],
    });
  };
  const udp = service.frontends.some((f) => f.kind === "fwmark" || f.protocol === "udp");
  if (service.persistence)
    note("expire_quiescent_template", [
      "known clients stay with the old at weight 0, for as long as they keep coming: set it to 1, or the drain may never end",
      "known clients are freed when the old reaches weight 0; steps before that move new clients only",
    ]);
  note("conn_reuse_mode", [
    "a client that uses its source port again stays with the old at weight 0: set it to 1",
    "a client that uses its source port again is scheduled anew",
  ]);
  if (udp || drain.policy.afterwards === "remove")
    note("expire_nodest_conn", [
      "what still talks to a removed server hangs without an answer: set it to 1",
      udp
        ? "a UDP flow moves with its next packet once the server is removed"
        : "a connection to a removed server is reset",
    ]);
  return notes;
}
