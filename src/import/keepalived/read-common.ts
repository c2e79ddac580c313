import { readUnicast } from "../../config/addresses.ts";
import type { IpAddress } from "../../model/address.ts";
import type { Forwarding } from "../../model/service.ts";
import type { Notes } from "../notes.ts";
import { type Keywords, type ValueReader, words } from "./block.ts";
import type { Endpoint, Hook, Timings } from "./model.ts";
import type { Statement } from "./tree.ts";
import { command, whole } from "./words.ts";

/** What is being read; the parts of the model are made of it when the block is over. */
export type Draft<T> = { -readonly [K in keyof T]: T[K] };

export function noTimings(): Draft<Timings> {
  return { delayLoop: undefined, connectTimeout: undefined, retry: undefined, delayBeforeRetry: undefined };
}

/** The timings that virtual servers, real servers and checkers have alike.
 *  @param minRetry 1, or 0 in a checker */
export function timingKeywords(timings: Draft<Timings>, read: ValueReader, minRetry: 0 | 1, notes: Notes): Keywords {
  return {
    delay_loop: words(1, 1, (s) => {
      timings.delayLoop = read.seconds(s, 0.001) ?? timings.delayLoop;
    }),
    connect_timeout: words(1, 1, (s) => {
      timings.connectTimeout = read.seconds(s, 0.001) ?? timings.connectTimeout;
    }),
    retry: words(1, 1, (s) => {
      timings.retry = read.count(s, minRetry, 4_294_967_295) ?? timings.retry;
    }),
    delay_before_retry: words(1, 1, (s) => {
      timings.delayBeforeRetry = read.seconds(s, 0) ?? timings.delayBeforeRetry;
    }),
    warmup: words(1, 1, (s) => {
      if (read.seconds(s, 0) === undefined) return;
      notes.add(
        "hint",
        s.place,
        "warmup",
        "not needed: first checks are spread over a second, later ones over the interval",
      );
    }),
  };
}

/** What ipvsadm takes. */
const HEAVIEST = 65_535;

export function readWeight(statement: Statement, min: 0 | 1, read: ValueReader, notes: Notes): number | undefined {
  const weight = read.count(statement, min, 2_147_483_647);
  if (weight === undefined || weight <= HEAVIEST) return weight;
  notes.add(
    "changed",
    statement.place,
    `weight ${weight}`,
    `is ${HEAVIEST}, the most ipvsadm takes: divide all weights of this virtual server by the same`,
  );
  return HEAVIEST;
}

/** An address and a port as keepalived writes them; what director does not take is noted. */
export function readEndpoint(
  statement: Statement,
  [address, port]: readonly (string | undefined)[],
  read: ValueReader,
): Endpoint | undefined {
  const unicast = readUnicast(address ?? "");
  if (!unicast.ok) return read.refuse(statement, unicast.error);
  if (port === undefined || port === "0") return { address: unicast.value, port: undefined };
  const number = whole(port, 1, 65_535);
  if (number === undefined) return read.refuse(statement, `expected a port from 1 to 65535, not ${port}`);
  return { address: unicast.value, port: number };
}

export function readAddress(statement: Statement, read: ValueReader): IpAddress | undefined {
  const address = readUnicast(statement.args[0] ?? "");
  return address.ok ? address.value : read.refuse(statement, address.error);
}

/** lvs_method: `NAT`, `DR`, `TUN [type ipip|gue port N|gre] [nocsum|csum|remcsum]`. */
export function readForwarding(statement: Statement, read: ValueReader): Forwarding | undefined {
  const [method = "", ...rest] = statement.args;
  if (method !== "TUN" && rest.length > 0) read.refuse(statement, `keepalived ignores what follows ${method}`);
  if (method === "NAT") return { kind: "masquerade" };
  if (method === "DR") return { kind: "direct" };
  if (method === "TUN") return readTunnel(statement, rest, read);
  const known = /^(FNAT|SNAT|GRE)$/.test(method) ? `${method} is of a patched kernel` : `unknown method ${method}`;
  return read.refuse(
    statement,
    `${known}: keepalived complains and takes the one of the virtual server, or NAT; so does this import`,
  );
}

function readTunnel(statement: Statement, rest: readonly string[], read: ValueReader): Forwarding | undefined {
  const left = [...rest];
  let type = "ipip";
  let port: number | undefined;
  let checksum: "none" | "checksum" | "remote" = "none";
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (word === "type") type = left.shift() ?? "";
    else if (word === "port") port = whole(left.shift(), 1, 65_535);
    else if (word === "nocsum") checksum = "none";
    else if (word === "csum") checksum = "checksum";
    else if (word === "remcsum") checksum = "remote";
    else return read.refuse(statement, `unknown word ${word} behind TUN`);
  }
  if (type === "ipip") return { kind: "tunnel", encapsulation: "ipip" };
  if (type === "gre" && checksum !== "remote") return { kind: "tunnel", encapsulation: "gre", checksum };
  if (type === "gue" && port !== undefined) return { kind: "tunnel", encapsulation: "gue", port, checksum };
  return read.refuse(statement, type === "gue" ? "a gue tunnel needs its port" : `unknown tunnel ${type} ${checksum}`);
}

/** notify_up, notify_down, quorum_up and quorum_down. */
export function readHook(statement: Statement, read: ValueReader, notes: Notes): Hook | undefined {
  const parsed = command(statement.raw);
  if (parsed === undefined) return read.refuse(statement, "expected a command; its quotes do not match");
  if (parsed.user.length > 0)
    notes.add(
      "changed",
      statement.place,
      statement.keyword,
      `runs as director's own user, not as ${parsed.user.join(":")}; systemd's User= says which that is`,
    );
  return { argv: parsed.argv, place: statement.place };
}
