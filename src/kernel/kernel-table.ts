import type { Glance, IpvsChange, IpvsTable, Rates, Stats, Templates } from "../ipvs/table.ts";

/** What came of writing: what the tool said, line by line. Empty does not prove success: read the table back. */
export interface ApplyReport {
  readonly complaints: readonly string[];
}

/** Who holds the IPVS table. Every method ends soon after `signal` aborts; I/O trouble (no such command, hanging and killed, no permission)
 *  rejects with an Error that names what was tried and the remedy. */
export interface KernelTable {
  /** The whole table with every option. */
  read(signal: AbortSignal): Promise<IpvsTable>;
  /** Weights and connections only, cheap enough for every few seconds. `known` tells apart what /proc leaves out (a firewall mark's family). */
  glance(known: IpvsTable, signal: AbortSignal): Promise<Glance>;
  /** Counters of every destination. */
  stats(signal: AbortSignal): Promise<Stats>;
  /** Persistence templates of every destination. */
  templates(signal: AbortSignal): Promise<Templates>;
  /** New connections a second of every service. */
  rates(signal: AbortSignal): Promise<Rates>;
  /** Applies the changes in order, in one go. Refused changes do not stop the others. */
  apply(changes: readonly IpvsChange[], signal: AbortSignal): Promise<ApplyReport>;
}
