import { formatEndpoint } from "../../model/address.ts";
import type { Forwarding } from "../../model/service.ts";
import { checkEntries } from "../checks.ts";
import { forwardingEntries, sameForwarding } from "../forwarding.ts";
import { noteComment } from "../notes.ts";
import { type Entries, map, type Written, type WrittenMap } from "../written.ts";
import type { Context } from "./context.ts";
import { type Aim, serverChecks } from "./map-checks.ts";
import type { RealServer, VirtualServer } from "./model.ts";

/** A real server with all it inherits. */
export interface Mapped {
  readonly server: RealServer;
  readonly forwarding: Forwarding;
  readonly weight: number;
  /** In the kernel; undefined: the virtual service's. */
  readonly port: number | undefined;
  readonly checks: readonly WrittenMap[];
}

/** @param servicePort the one port of the virtual service; undefined: several, or a mark's none
 *  @param families of the addresses of this service
 *  @param anywhere of all services that the virtual server becomes: servers of another family belong to another of these */
export function mapServers(
  service: VirtualServer,
  servicePort: number | undefined,
  families: ReadonlySet<4 | 6>,
  anywhere: ReadonlySet<4 | 6>,
  context: Context,
): readonly Mapped[] {
  const taken = new Map<string, number>();
  const mapped: Mapped[] = [];
  for (const server of service.servers) {
    const { notes, place, address } = server;
    const forwarding = server.forwarding ?? service.forwarding ?? { kind: "masquerade" };
    const kept = forwarding.kind === "masquerade" ? server.port : undefined;
    const key = formatEndpoint(address, kept ?? servicePort);
    const first = taken.get(key);
    const fits = (all: ReadonlySet<4 | 6>) => forwarding.kind === "tunnel" || all.has(address.family);
    if (!fits(families) && fits(anywhere)) continue;
    if (!fits(families))
      notes.add(
        "refused",
        place,
        `real_server ${server.title}`,
        "is of another family than the virtual server: keepalived leaves it out, and so does this import",
      );
    else if (first !== undefined)
      notes.add(
        "refused",
        place,
        `real_server ${server.title}`,
        `is the one of line ${first} again: keepalived leaves it out, and so does this import`,
      );
    else {
      taken.set(key, place.line);
      if (forwarding.kind !== "masquerade" && server.port !== undefined && server.port !== servicePort)
        notes.add(
          "hint",
          place,
          `port ${server.port}`,
          `is the checks' only: ${forwarding.kind === "direct" ? "direct routing" : "a tunnel"} cannot change the port, and keepalived puts the virtual server's there`,
        );
      mapped.push({
        server,
        forwarding,
        weight: server.weight ?? service.weight ?? 1,
        port: kept,
        checks: checksOf(service, server, forwarding, kept, servicePort, context),
      });
    }
  }
  return mapped;
}

function checksOf(
  service: VirtualServer,
  server: RealServer,
  forwarding: Forwarding,
  kept: number | undefined,
  servicePort: number | undefined,
  context: Context,
): readonly WrittenMap[] {
  const understood = forwarding.kind === "masquerade" ? (kept ?? servicePort) : undefined;
  const aim: Aim = { service, server, port: server.port ?? servicePort, understood };
  return serverChecks(aim, context);
}

/** A server as it stands in the list. */
export function serverEntries(
  { server, forwarding, weight, port, checks }: Mapped,
  common: { readonly forwarding: Forwarding; readonly checks: Entries | undefined },
): Written {
  const entries = {
    address: formatEndpoint(server.address, port),
    weight: String(weight),
    ...(sameForwarding(forwarding, common.forwarding) ? {} : forwardingEntries(forwarding)),
    ...limitEntries(server),
    ...(common.checks === undefined && checkEntries(checks)),
  };
  return map(
    entries,
    server.notes.own().map((note) => noteComment(note, server.place.file)),
  );
}

/** What the kernel counts connections in. */
const MOST_CONNECTIONS = 2_147_483_647;

/** The kernel refuses a lower threshold without an upper one and one above it, and with it the whole server. */
function limitEntries({ upperThreshold, lowerThreshold: lower, notes, place }: RealServer): Entries {
  const upper = Math.min(upperThreshold, MOST_CONNECTIONS);
  const wrong = lower > upper;
  if (wrong)
    notes.add(
      "refused",
      place,
      `lthreshold ${lower}`,
      upper === 0 ? "means nothing without uthreshold" : `is above uthreshold ${upper}, the kernel refuses that`,
    );
  return {
    max_connections: upper === 0 ? undefined : String(upper),
    min_connections: wrong || lower === 0 ? undefined : String(lower),
  };
}
