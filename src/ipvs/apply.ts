import type { IpAddress } from "../model/address.ts";
import { assertNever } from "../model/result.ts";
import { type DestinationKey, destinationKey, fits, type ServiceKey } from "../model/service.ts";
import type { Destination, IpvsChange, IpvsTable, ServiceEntry } from "./table.ts";

/** A change that did not happen, in the words of ipvsadm. */
export interface Refusal {
  readonly change: IpvsChange;
  readonly reason: string;
}

/** What the kernel's table becomes: each change in turn, the refused ones left out. A model of ipvsadm 1.31 and the IPVS of Linux 6.1, held
 *  to the real ones by test/kernel/contract.ts. */
export function apply(table: IpvsTable, changes: readonly IpvsChange[]): IpvsTable {
  return attempt(table, changes).table;
}

/** Like `apply`, and says what was refused. `applied` is called after each change that happened, with the entry as it then stands
 *  (undefined: deleted); the entry is only valid during the call. */
export function attempt(
  table: IpvsTable,
  changes: readonly IpvsChange[],
  applied: (change: IpvsChange, entry: ServiceEntry | undefined) => void = () => {},
): { readonly table: IpvsTable; readonly refused: readonly Refusal[] } {
  const draft = new Draft(table);
  const refused: Refusal[] = [];
  for (const change of changes) {
    const reason = draft.apply(change);
    if (reason === undefined) applied(change, draft.table.get(change.service));
    else refused.push({ change, reason });
  }
  return { table: draft.table, refused };
}

/** A table being changed: services are copied when first touched, so that a pass over 10,000 destinations copies each once. */
class Draft {
  readonly table: Map<ServiceKey, ServiceEntry>;
  readonly #copied = new Map<ServiceKey, Map<DestinationKey, Destination>>();

  constructor(table: IpvsTable) {
    this.table = new Map(table);
  }

  /** Applies the change, or leaves all as it was and returns why. */
  apply(change: IpvsChange): string | undefined {
    const entry = this.table.get(change.service);
    switch (change.op) {
      case "add-service":
        if (entry !== undefined) return "Service already exists";
        return refuseOptions(change.entry) ?? this.#put(change.service, change.entry, new Map());
      case "edit-service":
        if (entry === undefined) return "No such service";
        return (
          refuseOptions(change.entry) ?? this.#put(change.service, change.entry, this.#destinations(entry, change))
        );
      case "delete-service":
        if (entry === undefined) return "No such service";
        this.table.delete(change.service);
        return undefined;
      default:
        return entry === undefined ? "Service not defined" : this.#applyToServer(change, entry);
    }
  }

  #applyToServer(change: ServerChange, entry: ServiceEntry): string | undefined {
    const destination = asHeld(change);
    const key = destinationKey(destination.address, destination.port);
    const exists = entry.destinations.has(key);
    switch (change.op) {
      case "add-server": {
        const reason = refuseDestination(destination, entry);
        if (reason !== undefined) return reason;
        if (exists) return "Destination already exists";
        if (!isUnicast(destination.address)) return NOT_UNICAST;
        break;
      }
      case "edit-server": {
        const reason = refuseDestination(destination, entry);
        if (reason !== undefined) return reason;
        if (!exists) return "No such destination";
        break;
      }
      case "delete-server":
        if (!exists) return "No such destination";
        this.#destinations(entry, change).delete(key);
        return undefined;
      default:
        return assertNever(change);
    }
    this.#destinations(entry, change).set(key, destination);
    return undefined;
  }

  #put(service: ServiceKey, entry: ServiceEntry, destinations: Map<DestinationKey, Destination>): undefined {
    this.#copied.set(service, destinations);
    this.table.set(service, { ...entry, destinations });
  }

  #destinations(entry: ServiceEntry, { service }: IpvsChange): Map<DestinationKey, Destination> {
    const ours = this.#copied.get(service);
    if (ours !== undefined) return ours;
    const copy = new Map(entry.destinations);
    this.#put(service, entry, copy);
    return copy;
  }
}

type ServerChange = Extract<IpvsChange, { op: "add-server" | "edit-server" | "delete-server" }>;

/** ipvsadm quietly moves servers of direct routing and tunnels to the virtual port; a firewall mark has none. */
function asHeld(change: ServerChange): Destination {
  if (change.op === "delete-server") return change.was;
  const { frontend, destination } = change;
  if (frontend.kind === "fwmark" || destination.forwarding.kind === "masquerade") return destination;
  return { ...destination, port: frontend.port };
}

const NOT_UNICAST = "Invalid operation.  Possibly wrong module version, address not unicast, ...";

/** The schedulers of Linux 6.1; a name that is none of them has no module to load. */
export const SCHEDULERS: ReadonlySet<string> = new Set("rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh".split(" "));

function refuseOptions({ frontend, scheduler, flags, onePacket, persistence }: ServiceEntry): string | undefined {
  if (frontend.kind === "address" && frontend.port === 0 && persistence === undefined)
    return "Zero port specified for non-persistent service";
  if (frontend.kind === "address" && frontend.protocol !== "udp" && onePacket)
    return "One-Packet Scheduling is only for UDP virtual services";
  const foreign = flags.find((flag) => /^(sh|mh)-/.test(flag) && !flag.startsWith(`${scheduler}-`));
  if (foreign !== undefined) return `incompatible scheduler flag \`${foreign}'`;
  const engine = persistence?.engine;
  if (!SCHEDULERS.has(scheduler) || (engine !== undefined && engine !== "sip"))
    return "Scheduler or persistence engine not found";
  return undefined;
}

function refuseDestination(destination: Destination, { frontend }: ServiceEntry): string | undefined {
  const { weight } = destination;
  if (!Number.isInteger(weight) || weight < 0 || weight > 2_147_483_647) return "illegal weight specified";
  const { upper, lower } = destination.limits ?? { upper: 0, lower: 0 };
  if (upper > 2_147_483_647) return "illegal u_threshold specified";
  if (!fits(frontend, destination)) return "Different address family is allowed only for tunneling servers";
  if (lower > upper) return "Numerical result out of range";
  return undefined;
}

/** As ip_vs_new_dest asks the routing table, less what depends on our own networks (their broadcast addresses). */
function isUnicast({ family, text }: IpAddress): boolean {
  if (family === 6) return !/^(::$|::ffff:|ff|fe[89ab])/.test(text);
  const first = Number.parseInt(text, 10);
  return !(text === "0.0.0.0" || text === "255.255.255.255" || (first >= 224 && first < 240));
}
