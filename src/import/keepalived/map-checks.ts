import { assertNever } from "../../model/result.ts";
import type { Notes } from "../notes.ts";
import { type Pace, paceEntries } from "../pace.ts";
import { type Entries, flow, list, map, sameText, type WrittenMap } from "../written.ts";
import type { Context } from "./context.ts";
import { httpChecks } from "./map-http.ts";
import type { Checker, RealServer, Timings, VirtualServer } from "./model.ts";

/** A server as its checks see it. */
export interface Aim {
  readonly service: VirtualServer;
  readonly server: RealServer;
  /** Where keepalived probes unless a checker says otherwise; undefined: nowhere, it is the port of a group or mark. */
  readonly port: number | undefined;
  /** What director takes without being told. */
  readonly understood: number | undefined;
}

/** The checks of one server, none of them twice. */
export function serverChecks(aim: Aim, context: Context): readonly WrittenMap[] {
  const { notes } = aim.server;
  const checks = new Map<string, WrittenMap>();
  for (const checker of aim.server.checkers) {
    for (const asked of askedBy(checker, aim, context)) {
      const pace = paceEntries(paceOf(checker, aim, context), checker.place, checker.keyword, notes);
      const key = sameText(map(asked));
      if (checks.has(key))
        notes.add("refused", checker.place, checker.keyword, "asks what another check of this server asks already");
      else checks.set(key, map({ ...asked, ...pace }));
    }
  }
  if (checks.size === 0 && aim.server.checkers.length > 0)
    notes.add(
      "changed",
      aim.server.place,
      "checks",
      "nothing is left that checks this server: it counts as up until that is mended",
    );
  return [...checks.values()];
}

/** What is asked, with where; nothing if director cannot ask it. */
function askedBy(checker: Checker, aim: Aim, context: Context): readonly Entries[] {
  const { notes } = aim.server;
  const where = whereOf(checker, aim);
  if (where === undefined) {
    notes.add(
      "refused",
      checker.place,
      checker.keyword,
      "no port is said that it could ask, neither here nor above: write connect_port",
    );
    return [];
  }
  switch (checker.kind) {
    case "tcp":
      return [{ type: "tcp", ...where }];
    case "http":
      return httpChecks(checker, aim, context).map((entries) => ({ ...entries, ...where }));
    case "udp":
      return [{ type: "udp", ...udpEntries(checker, notes), ...where }];
    case "dns":
      return [{ type: "dns", name: checker.name, record: checker.query, ...where }];
    case "smtp":
      return [{ type: "smtp", helo: checker.helo, ...where }];
    case "misc":
      return miscEntries(checker, notes).map((entries) => ({ ...entries, ...where }));
    case "none":
      notes.add("dropped", checker.place, checker.keyword, checker.remedy);
      return [];
    default:
      return assertNever(checker);
  }
}

/** Address, port and source, as far as they have to be said. */
function whereOf(checker: Checker, { server, port, understood }: Aim): Entries | undefined {
  // director knows every check by an endpoint; a command need not look at it.
  const probed = checker.port ?? port ?? (checker.kind === "misc" || checker.kind === "none" ? 1 : undefined);
  if (probed === undefined) return undefined;
  const elsewhere = checker.address !== undefined && checker.address.text !== server.address.text;
  const { source } = checker;
  const reachable = (checker.address ?? server.address).family === source?.family;
  if (source !== undefined && !reachable)
    server.notes.add(
      "refused",
      checker.place,
      `bindto ${source.text}`,
      "of another family than what is probed, keepalived ignores it",
    );
  return {
    address: elsewhere ? checker.address.text : undefined,
    port: probed === understood ? undefined : String(probed),
    source: source !== undefined && reachable ? source.text : undefined,
  };
}

/** Bytes of a reply at most (check_udp.c). */
const DEFAULT_MAX_REPLY = 255;

/** keepalived's own text where none is given (check_udp.c with set_buf of utils.c, 32 bytes). */
const UDP_TEXT = "keepalived check - keepalived ch";

/** Nothing if it is no command director can run. */
function miscEntries({ argv, dynamic, place }: Extract<Checker, { kind: "misc" }>, notes: Notes): readonly Entries[] {
  const [program = ""] = argv;
  if (!program.startsWith("/"))
    notes.add("dropped", place, program, "is looked for by keepalived's PATH: write its absolute path");
  if (!program.startsWith("/")) return [];
  return [{ type: "exec", command: list(argv), dynamic_weight: dynamic ? "true" : undefined }];
}

function udpEntries(checker: Extract<Checker, { kind: "udp" }>, notes: Notes): Entries {
  const { payload, reply, minLength, maxLength, place } = checker;
  const send = payload === undefined ? UDP_TEXT : flow({ hex: payload });
  if (reply === undefined) return { send, silence: "pass" };
  if (reply === "") {
    notes.add(
      "hint",
      place,
      "require_reply",
      "any reply passes, as keepalived has it, whatever lengths are given; say what it begins with: an error message is a reply too",
    );
    return { send, expect: flow({ min_length: "0" }) };
  }
  const length = reply.length / 2;
  // keepalived compares as many bytes as there are.
  const shorter = Math.min(length, maxLength ?? DEFAULT_MAX_REPLY);
  if (shorter < length)
    notes.add(
      "changed",
      place,
      "require_reply",
      `its last ${length - shorter} bytes are not compared: a reply has ${shorter} at most`,
    );
  else if (minLength < length)
    notes.add(
      "hint",
      place,
      "require_reply",
      "a reply that is shorter than this fails; keepalived compares what there is of it",
    );
  const min = minLength > shorter ? String(minLength) : undefined;
  const max = maxLength ?? DEFAULT_MAX_REPLY;
  if (minLength > max)
    notes.add(
      "changed",
      place,
      "min_reply_length",
      "is above max_reply_length: the check can never pass, so this limit is left out",
    );
  return {
    send,
    expect: flow({
      // director asks for another word where 0x begins a pattern.
      hex: reply.slice(0, 2 * shorter).replace(/^0x/, "0?"),
      min_length: minLength > max ? undefined : min,
      max_length: String(max),
    }),
  };
}

/** keepalived's defaults where no level says anything (check_api.c, and the end handlers of each checker). */
function timingsOf({ kind, timings }: Checker, { service, server }: Aim): { readonly [K in keyof Timings]-?: number } {
  const levels = [timings, server.timings, service.timings];
  const first = (key: keyof Timings) => levels.map((level) => level[key]).find((value) => value !== undefined);
  const delayLoop = first("delayLoop") ?? 60_000;
  const retry = kind === "dns" ? 3 : kind === "misc" ? 0 : 1;
  const delayBeforeRetry = kind === "dns" ? delayLoop : kind === "http" ? 3_000 : 1_000;
  return {
    delayLoop,
    connectTimeout: first("connectTimeout") ?? 5_000,
    retry: first("retry") ?? retry,
    delayBeforeRetry: first("delayBeforeRetry") ?? delayBeforeRetry,
  };
}

function paceOf(checker: Checker, aim: Aim, { env, once }: Context): Pace {
  const { delayLoop, connectTimeout, retry, delayBeforeRetry } = timingsOf(checker, aim);
  const http = checker.kind === "http";
  if (http)
    once(
      "hint",
      checker.place,
      "connect_timeout",
      "keepalived gives it to every step and every piece of an answer anew, director gives all of it one deadline: timeout is twice connect_timeout",
    );
  return {
    interval: delayLoop,
    timeout: checker.kind === "misc" ? (checker.timeout ?? delayLoop) : http ? 2 * connectTimeout : connectTimeout,
    fall: retry + 1,
    rise: env.recommended ? undefined : 1,
    fastInterval: delayBeforeRetry,
    downInterval: http ? Math.max(delayLoop, delayBeforeRetry) : delayLoop,
  };
}
