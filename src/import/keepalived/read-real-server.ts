import type { Notes } from "../notes.ts";
import { type Keyword, opens, readBlock, valueReader, words } from "./block.ts";
import type { Checker, RealServer } from "./model.ts";
import { checkerKeywords } from "./read-checkers.ts";
import {
  type Draft,
  noTimings,
  readEndpoint,
  readForwarding,
  readHook,
  readWeight,
  timingKeywords,
} from "./read-common.ts";
import type { Statement } from "./tree.ts";

export const MAIL = "director sends no mail: alert on its metrics, or let a hook send it";

/** `real_server IP [PORT] { … }`. */
export function realServerKeyword(add: (server: RealServer) => void, parent: Notes): Keyword {
  return opens(1, 2, (statement) => {
    const endpoint = readEndpoint(statement, statement.args, valueReader(parent));
    if (endpoint !== undefined) add(readServer(statement, endpoint, parent.child()));
  });
}

function readServer(statement: Statement, endpoint: Pick<RealServer, "address" | "port">, notes: Notes): RealServer {
  const read = valueReader(notes);
  const timings = noTimings();
  const checkers: Checker[] = [];
  const hooks: Draft<RealServer["hooks"]> = { up: undefined, down: undefined };
  const server: Draft<RealServer> = {
    ...endpoint,
    place: statement.place,
    title: statement.args.join(" "),
    notes,
    weight: undefined,
    forwarding: undefined,
    inhibit: undefined,
    alpha: undefined,
    upperThreshold: 0,
    lowerThreshold: 0,
    hooks,
    host: undefined,
    timings,
    checkers,
  };
  const most = Number.POSITIVE_INFINITY;
  readBlock(
    statement,
    {
      weight: words(1, 1, (s) => {
        server.weight = readWeight(s, 0, read, notes) ?? server.weight;
      }),
      lvs_method: words(1, 7, (s) => {
        server.forwarding = readForwarding(s, read);
      }),
      uthreshold: words(1, 1, (s) => {
        server.upperThreshold = read.count(s, 0, 4_294_967_295) ?? 0;
      }),
      lthreshold: words(1, 1, (s) => {
        server.lowerThreshold = read.count(s, 0, 4_294_967_295) ?? 0;
      }),
      inhibit_on_failure: words(0, 1, (s) => {
        server.inhibit = read.flag(s) ?? server.inhibit;
      }),
      alpha: words(0, 1, (s) => {
        server.alpha = read.flag(s) ?? server.alpha;
      }),
      notify_up: words(1, most, (s) => {
        if (hooks.up !== undefined) read.refuse(s, "the second one: keepalived keeps the first");
        hooks.up ??= readHook(s, read, notes);
      }),
      notify_down: words(1, most, (s) => {
        if (hooks.down !== undefined) read.refuse(s, "the second one: keepalived keeps the first");
        hooks.down ??= readHook(s, read, notes);
      }),
      smtp_alert: words(0, 1, (s) => {
        if (read.flag(s) === true) notes.add("dropped", s.place, s.keyword, MAIL);
      }),
      virtualhost: words(1, 1, (s) => {
        server.host = s.args[0];
      }),
      snmp_name: words(1, 1, (s) =>
        notes.add("hint", s.place, s.keyword, "there is no SNMP; `name` gives a server a name"),
      ),
      ...timingKeywords(timings, read, 1, notes),
      ...checkerKeywords((checker) => checkers.push(checker), notes),
    },
    notes,
  );
  return server;
}
