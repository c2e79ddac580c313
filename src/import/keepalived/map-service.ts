import { netmaskPrefix } from "../../config/addresses.ts";
import { formatEndpoint } from "../../model/address.ts";
import type { Forwarding } from "../../model/service.ts";
import { commonEntries } from "../checks.ts";
import type { Part } from "../document.ts";
import { forwardingEntries, mostUsual, sameForwarding } from "../forwarding.ts";
import { noteComment } from "../notes.ts";
import { type Entries, flow, list, map, type Written } from "../written.ts";
import type { Context } from "./context.ts";
import { type Front, frontsOf } from "./frontends.ts";
import { leftOut } from "./left-out.ts";
import { serviceHooks } from "./map-hooks.ts";
import { quorumEntries } from "./map-quorum.ts";
import { type Mapped, mapServers, serverEntries } from "./map-server.ts";
import type { Keepalived, VirtualServer } from "./model.ts";
import { whole } from "./words.ts";

/** The services one virtual server becomes: none if nothing can be made of it, which is noted. */
export function mapService(
  service: VirtualServer,
  file: Keepalived,
  taken: Set<string>,
  nameFor: (wish: string) => string,
  context: Context,
): readonly Part[] {
  const fronts = frontsOf(service, file, taken);
  const why = leftOut(service, file);
  if (fronts.length > 0 && why !== undefined) {
    const message = `${why}: keepalived leaves it out, and so does this import`;
    service.notes.add("refused", service.place, `virtual_server ${service.title}`, message);
    return [];
  }
  if (fronts.length > 0 && service.protocol === undefined && fronts[0]?.kind === "addresses")
    service.notes.add(
      "changed",
      service.place,
      "protocol",
      "is not said: keepalived complains and takes UDP for it; write the one that is meant",
    );
  const families = new Set(fronts.flatMap((front) => [...front.families]));
  return fronts.map((front) => part(service, front, families, nameFor(nameOf(service, front)), context));
}

function nameOf({ at, name, protocol }: VirtualServer, front: Front): string {
  if (name !== undefined) return name + front.suffix;
  if (at.kind === "group") return at.name + front.suffix;
  if (at.kind === "fwmark") return `fwmark-${at.mark}`;
  const endpoint = formatEndpoint(at.address, at.port);
  return protocol === "tcp" ? endpoint : `${protocol ?? "udp"}-${endpoint}`;
}

function part(
  service: VirtualServer,
  front: Front,
  families: ReadonlySet<4 | 6>,
  name: string,
  context: Context,
): Part {
  const servers = mapServers(service, front.port, front.families, families, context);
  const forwarding = mostUsual(
    servers.map((server) => server.forwarding),
    { kind: "masquerade" },
  );
  const onFailure = onFailureOf(service, servers);
  const initial = initialOf(service, servers);
  const checks = commonEntries(servers.map((server) => server.checks));
  const quorum = quorumEntries(
    service,
    servers.map(({ weight }) => weight),
    service.notes,
  );
  const sorry = sorryEntries(service, front, servers, forwarding);
  if (sorry !== undefined && service.sorry !== undefined && quorum !== undefined && onFailure === "remove")
    service.notes.add(
      "changed",
      service.sorry.place,
      "sorry_server",
      "while it serves, servers that are still healthy stand at weight 0; keepalived deletes them, under their open connections",
    );
  const entries: Entries = {
    name,
    ...front.entries,
    scheduler: service.scheduler ?? "wlc",
    ...flagEntries(service, front),
    ...(forwarding.kind !== "masquerade" && forwardingEntries(forwarding)),
    persistence: persistenceEntries(service, front, families),
    quorum,
    sorry_server: sorry,
  };
  const hooks = serviceHooks(
    service,
    servers.map(({ server }) => server),
    name,
  );
  return {
    onFailure,
    initial,
    hooks,
    write(shared) {
      const written = servers.map((server) => serverEntries(server, { forwarding, checks }));
      const { recommended } = context.env;
      const kept = new Set(servers.map(({ server }) => server));
      const lost = service.servers.filter((server) => !kept.has(server)).flatMap((server) => server.notes.own());
      const own = [...service.notes.own(), ...lost].map((note) => noteComment(note, service.place.file));
      return map(
        {
          ...entries,
          on_failure: recommended || shared.has("on_failure") ? undefined : onFailure,
          initial: recommended || shared.has("initial") ? undefined : initial,
          allow_empty: servers.length === 0 ? "true" : undefined,
          ...checks,
          servers: list(written),
        },
        [`${service.place.file}:${service.place.line} virtual_server ${service.title}`, ...own],
      );
    },
  };
}

/** director has one word for a service; where servers differ, the one that cuts no connection. */
function onFailureOf(service: VirtualServer, servers: readonly Mapped[]): "quiesce" | "remove" {
  const inhibits = ({ server }: Mapped) => server.inhibit ?? service.inhibit;
  const removed = servers.filter((server) => !inhibits(server));
  if (servers.length === 0) return service.inhibit ? "quiesce" : "remove";
  if (removed.length === servers.length) return "remove";
  for (const { server } of removed)
    server.notes.add(
      "changed",
      server.place,
      "inhibit_on_failure",
      "other servers of the virtual server have it: this one gets weight 0 on failure as well, and is not deleted",
    );
  return "quiesce";
}

/** One for a service, too. */
function initialOf(service: VirtualServer, servers: readonly Mapped[]): "up" | "down" {
  const waits = ({ server }: Mapped) =>
    service.alpha || server.alpha === true || server.checkers.some((checker) => checker.alpha === true);
  const checked = servers.filter(({ server }) => server.checkers.length > 0);
  const waiting = checked.filter(waits);
  if (waiting.length > 0 && waiting.length === checked.length) return "down";
  for (const { server } of waiting)
    server.notes.add(
      "changed",
      server.place,
      "alpha",
      "other servers of the virtual server are without: this one counts as up at the start, too",
    );
  return "up";
}

function flagEntries(service: VirtualServer, front: Front): Entries {
  const { notes, place } = service;
  const scheduler = service.scheduler ?? "wlc";
  const named: Readonly<Record<string, string>> = { "flag-1": `${scheduler}-fallback`, "flag-2": `${scheduler}-port` };
  const hashes = scheduler === "sh" || scheduler === "mh";
  const flags = new Set<string>();
  for (const written of service.flags) {
    const flag = hashes ? (named[written] ?? written) : written;
    const owner = /^(sh|mh)-/.exec(flag)?.[1];
    if ((owner !== undefined && owner !== scheduler) || (hashes && flag === "flag-3"))
      notes.add("refused", place, written, `means nothing to scheduler ${scheduler}`);
    else flags.add(flag);
  }
  const packets = service.onePacket && (front.kind === "fwmark" || (service.protocol ?? "udp") === "udp");
  if (service.onePacket && !packets) notes.add("refused", place, "ops", "is for UDP only, the kernel refuses it here");
  return {
    scheduler_flags: flags.size === 0 ? undefined : list([...flags]),
    one_packet: packets ? "true" : undefined,
  };
}

function persistenceEntries(service: VirtualServer, front: Front, families: ReadonlySet<4 | 6>): Written | undefined {
  const { persistence } = service;
  if (persistence === undefined) return undefined;
  const { seconds, granularity, engine } = persistence;
  return flow({
    timeout: `${seconds}s`,
    netmask: granularity === undefined ? undefined : netmask(granularity, service, front.families, families),
    engine,
  });
}

/** @param anywhere families of all services that the virtual server becomes; a mask for one of them is not wrong */
function netmask(
  text: string,
  { notes, place }: VirtualServer,
  families: ReadonlySet<4 | 6>,
  anywhere: ReadonlySet<4 | 6>,
): Written | undefined {
  const family = text.includes(".") ? 4 : 6;
  const right = family === 4 ? netmaskPrefix(text) !== undefined : whole(text, 1, 128) !== undefined;
  if (!right || !anywhere.has(family))
    notes.add(
      "refused",
      place,
      `persistence_granularity ${text}`,
      "is no netmask of this virtual server's family (255.255.255.0 for IPv4, 64 for IPv6): every client counts by itself",
    );
  if (!right || !families.has(family)) return undefined;
  if (families.size === 1) return text;
  return flow(family === 4 ? { ipv4: text } : { ipv6: text });
}

function sorryEntries(
  service: VirtualServer,
  front: Front,
  servers: readonly Mapped[],
  common: Forwarding,
): Written | undefined {
  const { sorry, notes } = service;
  if (sorry === undefined) return undefined;
  const forwarding = sorry.forwarding ?? service.forwarding ?? { kind: "masquerade" };
  const port = forwarding.kind === "masquerade" ? sorry.port : undefined;
  const subject = `sorry_server ${formatEndpoint(sorry.address, sorry.port)}`;
  if (forwarding.kind !== "tunnel" && !front.families.has(sorry.address.family)) {
    notes.add(
      "refused",
      sorry.place,
      subject,
      "is of another family than the virtual server: keepalived leaves it out, and so does this import",
    );
    return undefined;
  }
  const inKernel = (own: number | undefined) => own ?? front.port;
  if (
    servers.some(
      ({ server, port: own }) => server.address.text === sorry.address.text && inKernel(own) === inKernel(port),
    )
  ) {
    notes.add(
      "dropped",
      sorry.place,
      subject,
      "is a real server of this virtual server too: fail_open: all-down may be what is meant",
    );
    return undefined;
  }
  return map({
    address: formatEndpoint(sorry.address, port),
    ...(!sameForwarding(forwarding, common) && forwardingEntries(forwarding)),
  });
}
