import { netmaskPrefix } from "../../config/addresses.ts";
import { formatEndpoint } from "../../model/address.ts";
import type { Forwarding } from "../../model/service.ts";
import { checkEntries, commonEntries } from "../checks.ts";
import type { Part } from "../document.ts";
import { forwardingEntries, mostUsual, sameForwarding } from "../forwarding.ts";
import type { Hook } from "../hooks.ts";
import { noteComment } from "../notes.ts";
import type { ImportEnvironment } from "../source.ts";
import { type Entries, flow, list, map, type Written, type WrittenMap } from "../written.ts";
import { realChecks } from "./map-checks.ts";
import type { Fallback, Globals, Method, Real, Virtual } from "./model.ts";

const FORWARDING: Readonly<Record<Method, Forwarding>> = {
  gate: { kind: "direct" },
  masq: { kind: "masquerade" },
  ipip: { kind: "tunnel", encapsulation: "ipip" },
};

/** A real server as director writes it. */
interface Mapped {
  readonly real: Real;
  readonly port: number | undefined;
  readonly checks: readonly WrittenMap[];
}

export function mapVirtual(virtual: Virtual, globals: Globals, name: string, env: ImportEnvironment): Part {
  const { at, notes } = virtual;
  const reals = mapReals(virtual, globals, env);
  const forwarding = mostUsual(
    reals.map(({ real }) => FORWARDING[real.method]),
    FORWARDING.masq,
  );
  const checks = commonEntries(reals.map(({ checks }) => checks));
  const quiescent = virtual.quiescent ?? globals.quiescent;
  if (quiescent === undefined)
    notes.add(
      "hint",
      virtual.place,
      "quiescent",
      "is not said: the manual has yes for the default, the program no; no stands here",
    );
  const entries: Entries = {
    name,
    ...(at.kind === "address"
      ? { vip: formatEndpoint(at.address, at.port), protocol: virtual.protocol === "udp" ? "udp" : undefined }
      : { fwmark: String(at.mark), family: virtual.family === 6 ? "ipv6" : "ipv4" }),
    scheduler: virtual.scheduler,
    one_packet: onePacket(virtual) ? "true" : undefined,
    ...(forwarding.kind !== "masquerade" && forwardingEntries(forwarding)),
    persistence: persistence(virtual),
    sorry_server: sorryServer(virtual, globals, reals, forwarding),
  };
  return {
    onFailure: quiescent === true ? "quiesce" : "remove",
    initial: undefined,
    hooks: hooksOf(virtual, globals, name),
    write(shared) {
      const own = notes.own().map((note) => noteComment(note, virtual.place.file));
      return map(
        {
          ...entries,
          on_failure:
            env.recommended || shared.has("on_failure") ? undefined : quiescent === true ? "quiesce" : "remove",
          allow_empty: reals.length === 0 ? "true" : undefined,
          ...checks,
          servers: list(reals.map((mapped) => serverEntries(mapped, virtual, forwarding, checks !== undefined))),
        },
        [`${virtual.place.file}:${virtual.place.line} virtual = ${virtual.title}`, ...own],
      );
    },
  };
}

function mapReals(virtual: Virtual, globals: Globals, { recommended }: ImportEnvironment): readonly Mapped[] {
  const { at, notes } = virtual;
  const servicePort = at.kind === "address" ? at.port : undefined;
  const taken = new Map<string, number>();
  const mapped: Mapped[] = [];
  for (const real of virtual.reals) {
    const port = real.method === "masq" ? real.port : undefined;
    const key = formatEndpoint(real.address, port ?? servicePort);
    const first = taken.get(key);
    taken.set(key, first ?? real.place.line);
    if (first !== undefined) {
      notes.add("refused", real.place, `real = ${key}`, `is the one of line ${first} again`);
      continue;
    }
    if (port === undefined && real.port !== undefined && servicePort !== undefined && real.port !== servicePort)
      notes.add(
        "hint",
        real.place,
        `port ${real.port}`,
        `is the check's only: the kernel puts ${servicePort} there, since ${real.method} cannot change the port`,
      );
    const understood = real.method === "masq" ? (port ?? servicePort) : undefined;
    mapped.push({ real, port, checks: realChecks({ virtual, real, globals, recommended }, understood) });
  }
  return mapped;
}

function serverEntries({ real, port, checks }: Mapped, virtual: Virtual, common: Forwarding, shared: boolean): Written {
  const forwarding = FORWARDING[real.method];
  return map({
    address: formatEndpoint(real.address, port),
    weight: virtual.checkType.kind === "off" ? "0" : String(real.weight),
    ...(!sameForwarding(forwarding, common) && forwardingEntries(forwarding)),
    ...(!shared && checkEntries(checks)),
  });
}

/** ldirectord passes it on for udp alone. */
function onePacket({ onePacket, protocol, notes, place }: Virtual): boolean {
  if (onePacket && protocol !== "udp")
    notes.add("refused", place, "ops = yes", "is for udp only, ldirectord ignores it here");
  return onePacket && protocol === "udp";
}

function persistence(virtual: Virtual): Written | undefined {
  const { persistent, netmask, family, notes, place } = virtual;
  if (persistent === undefined) return undefined;
  const right =
    netmask === undefined ||
    (family === 4
      ? netmaskPrefix(netmask) !== undefined
      : /^(\d|[1-9]\d|1[01]\d|12[0-8])$/.test(netmask) && netmask !== "0");
  if (!right)
    notes.add("refused", place, `netmask = ${netmask}`, "is no netmask of this family; every client counts by itself");
  return flow({ timeout: `${persistent}s`, netmask: right ? netmask : undefined });
}

function fallbackOf(virtual: Virtual, globals: Globals): Fallback | undefined {
  if (virtual.fallback !== undefined) return virtual.fallback;
  // A global fallback is kept by protocol, and a mark has none (fallback_find).
  return virtual.protocol === undefined ? undefined : globals.fallback[virtual.family];
}

function sorryServer(
  virtual: Virtual,
  globals: Globals,
  reals: readonly Mapped[],
  common: Forwarding,
): Written | undefined {
  const fallback = fallbackOf(virtual, globals);
  if (fallback === undefined) return undefined;
  const { at, notes } = virtual;
  const port = fallback.method === "masq" ? fallback.port : undefined;
  const inKernel = (own: number | undefined) => own ?? (at.kind === "address" ? at.port : 0);
  const forwarding = FORWARDING[fallback.method];
  if (
    reals.some(({ real, port: own }) => real.address.text === fallback.address.text && inKernel(own) === inKernel(port))
  ) {
    notes.add(
      "dropped",
      fallback.place,
      `fallback ${fallback.address.text}`,
      "is a real server of this virtual too: fail_open: all-down may be what is meant",
    );
    return undefined;
  }
  return map({
    address: formatEndpoint(fallback.address, port),
    ...(!sameForwarding(forwarding, common) && forwardingEntries(forwarding)),
  });
}

/** fallbackcommand runs with start when the last server has gone, with stop when the first is back. */
function hooksOf(virtual: Virtual, globals: Globals, name: string): readonly Hook[] {
  const command = virtual.fallbackCommand ?? globals.fallbackCommand;
  if (command === undefined) return [];
  const hook = (word: string, event: string): Hook => ({
    word: `fallback-${word}`,
    event,
    service: name,
    argv: [...command.argv, word],
  });
  virtual.notes.add(
    "changed",
    command.place,
    "fallbackcommand",
    "ldirectord runs it at the start as well; a hook runs when the state changes",
  );
  return [hook("start", "service.quorum-lost"), hook("stop", "service.quorum-regained")];
}
