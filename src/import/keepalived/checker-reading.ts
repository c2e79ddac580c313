import type { Notes } from "../notes.ts";
import { type Keywords, type ValueReader, valueReader, words } from "./block.ts";
import type { CheckerBase } from "./model.ts";
import { type Draft, noTimings, readAddress, timingKeywords } from "./read-common.ts";
import type { Statement } from "./tree.ts";

/** A checker that is being read. */
export interface Reading {
  readonly base: Draft<CheckerBase>;
  readonly read: ValueReader;
  readonly notes: Notes;
  /** The words of all checkers that connect. */
  readonly connection: Keywords;
  /** Those of all checkers. */
  readonly common: Keywords;
}

/** Nothing of it is read yet. */
export function begin({ keyword, place }: Statement, notes: Notes): Reading {
  const base: Draft<CheckerBase> = {
    place,
    keyword,
    alpha: undefined,
    timings: noTimings(),
    address: undefined,
    port: undefined,
    source: undefined,
  };
  const read = valueReader(notes);
  const dropped = (why: string) => (s: Statement) =>
    notes.add("dropped", s.place, [s.keyword, ...s.args].join(" "), why);
  const common: Keywords = {
    ...timingKeywords(base.timings, read, 0, notes),
    alpha: words(0, 1, (s) => {
      base.alpha = read.flag(s);
    }),
    log_all_failures: words(0, 1, (s) =>
      notes.add("hint", s.place, s.keyword, "log: { level: debug } shows every probe that fails"),
    ),
  };
  const connection: Keywords = {
    ...common,
    connect_ip: words(1, 1, (s) => {
      base.address = readAddress(s, read);
    }),
    connect_port: words(1, 1, (s) => {
      base.port = read.count(s, 1, 65_535);
    }),
    bindto: words(1, 1, (s) => {
      base.source = readAddress(s, read);
    }),
    bind_port: words(1, 1, dropped("the kernel chooses the port a probe comes from")),
    bind_if: words(
      1,
      1,
      dropped("probes leave by the routing table: `source` sets their address, a routing rule for it the interface"),
    ),
    fwmark: words(
      1,
      1,
      dropped("probes carry no mark: `source` with a routing rule for that address does what it was for"),
    ),
  };
  return { base, read, notes, common, connection };
}
