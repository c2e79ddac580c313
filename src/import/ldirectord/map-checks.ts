import type { IpAddress } from "../../model/address.ts";
import { err, ok } from "../../model/result.ts";
import { type Pace, paceEntries } from "../pace.ts";
import { type Entries, list, map, sameText, type WrittenMap } from "../written.ts";
import type { Aim, Asked, Where } from "./aim.ts";
import { negotiate } from "./map-negotiate.ts";
import { PORT_OF_SERVICE, type Virtual } from "./model.ts";

/** The checks of one real server; none: it counts as up.
 *  @param understood the port director takes without being told */
export function realChecks(aim: Aim, understood: number | undefined): readonly WrittenMap[] {
  const asked = new Map<string, WrittenMap>();
  for (const { what, check } of allChecks(aim, understood)) if (!asked.has(what)) asked.set(what, check);
  return [...asked.values()];
}

/** A check, and what it asks whatever its pace. */
interface Found {
  readonly what: string;
  readonly check: WrittenMap;
}

function allChecks(aim: Aim, understood: number | undefined): readonly Found[] {
  const { virtual, real } = aim;
  const { checkType, place, notes } = virtual;
  const port =
    virtual.checkPort ??
    real.port ??
    PORT_OF_SERVICE.get(virtual.service) ??
    (virtual.at.kind === "address" ? virtual.at.port : undefined);
  const where = (entries: Entries, own = port): Entries => ({
    ...entries,
    ...(entries.port === undefined && { port: own === undefined || own === understood ? undefined : String(own) }),
  });
  const done = (asked: Asked, pace: Pace, subject: string): readonly Found[] => {
    const aimless = asked.ok && asked.value.port === undefined && understood === undefined;
    const settled = aimless ? err("no port is said that could be probed: write checkport") : asked;
    if (settled.ok) {
      const check = map({ ...settled.value, ...paceEntries(pace, place, subject, notes) });
      return [{ what: sameText(map(settled.value)), check }];
    }
    const end = "nothing checks these servers until that is mended, they count as up";
    notes.add("changed", place, subject, `${settled.error}; ${end}`);
    return [];
  };
  switch (checkType.kind) {
    case "on":
      return [];
    case "off":
      notes.add(
        "changed",
        place,
        "checktype = off",
        "ldirectord gives none of these servers weight, so theirs is 0 here",
      );
      return [];
    case "ping":
      return done(
        err("director sends no ICMP: a tcp check of a port that answers, or an exec check that runs ping"),
        paceOf(aim, "check", 1),
        "checktype = ping",
      );
    case "external":
    case "external-perl":
      return done(external(aim, where), paceOf(aim, "check", 1), `checktype = ${checkType.kind}`);
    case "connect":
      return done(connect(virtual, where), paceOf(aim, "check", 1), "checktype = connect");
    case "negotiate":
      return virtual.service === "none"
        ? []
        : done(negotiate(aim, where), paceOf(aim, "negotiate", 1), `service = ${virtual.service}`);
    case "combined": {
      notes.add(
        "changed",
        place,
        `checktype = ${checkType.connects}`,
        "both checks run by themselves, each in its own interval, and both must pass",
      );
      const full =
        virtual.service === "none"
          ? []
          : done(
              negotiate(aim, where),
              paceOf(aim, "negotiate", checkType.connects + 1),
              `service = ${virtual.service}`,
            );
      return [...done(connect(virtual, where), paceOf(aim, "check", 1), "checktype = connect"), ...full];
    }
  }
}

function connect({ protocol }: Virtual, where: Where): Asked {
  if (protocol === "udp")
    return err(
      "ldirectord pings the servers of a udp service, and director sends no ICMP: a dns or udp check asks the service itself",
    );
  return ok(where({ type: "tcp" }));
}

/** checkcommand with the four arguments it gets. */
function external({ virtual, real }: Aim, where: Where): Asked {
  const { checkCommand, at } = virtual;
  if (!checkCommand.startsWith("/") || checkCommand.includes("\0")) return err(`${checkCommand} is no absolute path`);
  const service = at.kind === "address" ? [shown(at.address), String(at.port)] : [String(at.mark), "0"];
  const command = [checkCommand, ...service, shown(real.address), String(real.port ?? 0)];
  // director knows every check by an endpoint, whether or not a command looks at it.
  const located = where({ type: "exec", command: list(command) });
  return ok(
    located.port === undefined && at.kind === "fwmark" ? { ...located, port: String(real.port ?? 1) } : located,
  );
}

function shown(address: IpAddress): string {
  return address.family === 6 ? `[${address.text}]` : address.text;
}

/** checktimeout and negotiatetimeout stand in for each other where one is not said (ld_setup). */
function paceOf({ virtual, globals, recommended }: Aim, kind: "check" | "negotiate", rounds: number): Pace {
  const order =
    kind === "check"
      ? [virtual.checkTimeout, virtual.negotiateTimeout, globals.checkTimeout, globals.negotiateTimeout, 5_000]
      : [virtual.negotiateTimeout, virtual.checkTimeout, globals.negotiateTimeout, globals.checkTimeout, 30_000];
  const every = (virtual.checkInterval ?? globals.checkInterval) * rounds;
  return {
    interval: every,
    timeout: order.find((timeout) => timeout !== undefined) ?? 5_000,
    fall: virtual.failureCount ?? globals.failureCount ?? 1,
    rise: recommended ? undefined : 1,
    fastInterval: every,
    downInterval: every,
  };
}
