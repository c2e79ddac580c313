import type { IpAddress } from "../model/address.ts";
import type { ConnectionLimits, DestinationKey, Forwarding, Frontend, ServiceKey } from "../model/service.ts";

/** A real server as the kernel holds it. */
export interface Destination {
  readonly address: IpAddress;
  /** 0 only below a firewall mark. */
  readonly port: number;
  readonly forwarding: Forwarding;
  /** 0 to 2147483647. */
  readonly weight: number;
  /** undefined: none. `ipvsadm -S` never prints them, and an edit that does not restate them ends them. */
  readonly limits?: ConnectionLimits | undefined;
}

/** A virtual service as the kernel holds it. */
export interface ServiceEntry {
  readonly frontend: Frontend;
  readonly scheduler: string;
  /** Sorted, as ipvsadm knows them: `mh-fallback`, `mh-port`, `sh-port`, `flag-1`. */
  readonly flags: readonly string[];
  readonly onePacket: boolean;
  readonly persistence: EntryPersistence | undefined;
  readonly destinations: ReadonlyMap<DestinationKey, Destination>;
}

/** Persistence as the kernel holds it. The values in brackets are read from services of others and never wanted by us. */
export interface EntryPersistence {
  /** (0: an engine named without persistence, which ipvsadm allows and which does nothing.) */
  readonly timeoutSec: number;
  /** That of the frontend's family. (0: all clients are one; -1: an IPv4 netmask with holes.) */
  readonly prefix: number;
  /** `sip`. (Any other module's name.) */
  readonly engine: string | undefined;
}

/** The kernel's table, or a table we want there. */
export type IpvsTable = ReadonlyMap<ServiceKey, ServiceEntry>;

/** What /proc/net/ip_vs tells without a fork: no scheduler flags, no persistence engine. */
export type Glance = ReadonlyMap<ServiceKey, GlanceService>;

export interface GlanceService {
  readonly scheduler: string;
  readonly destinations: ReadonlyMap<DestinationKey, GlanceDestination>;
}

export interface GlanceDestination {
  readonly weight: number;
  readonly forwarding: Forwarding["kind"];
  /** TCP: established. Always 0 for UDP. */
  readonly active: number;
  /** TCP: closing. UDP: all entries. */
  readonly inactive: number;
}

/** Counters since the destination was added; the kernel refreshes them every 2 seconds. */
export interface DestinationStats {
  readonly connections: number;
  readonly packetsIn: number;
}

export type Stats = ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey, DestinationStats>>;

/** Persistence templates that lead to each destination: clients whose next connection goes there. */
export type Templates = ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey, number>>;

/** The destinations that have limits on their connections. (A lower one without an upper does nothing; the kernel keeps what others gave it.) */
export type Thresholds = ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey, ConnectionLimits>>;

/** New connections a second, as the kernel's estimator has them. */
export interface ServiceRate {
  readonly perSecond: number;
  readonly servers: ReadonlyMap<DestinationKey, number>;
}

export type Rates = ReadonlyMap<ServiceKey, ServiceRate>;

/** One step towards the wanted table. Each carries all there is to say: `ipvsadm -e` and `-E` replace everything they do not restate. */
export type IpvsChange =
  | { readonly op: "add-service"; readonly service: ServiceKey; readonly entry: ServiceEntry }
  | {
      readonly op: "edit-service";
      readonly service: ServiceKey;
      readonly entry: ServiceEntry;
      readonly was: ServiceEntry;
    }
  | { readonly op: "delete-service"; readonly service: ServiceKey; readonly was: ServiceEntry }
  | {
      readonly op: "add-server";
      readonly service: ServiceKey;
      readonly frontend: Frontend;
      readonly destination: Destination;
    }
  | {
      readonly op: "edit-server";
      readonly service: ServiceKey;
      readonly frontend: Frontend;
      readonly destination: Destination;
      readonly was: Destination;
    }
  | {
      readonly op: "delete-server";
      readonly service: ServiceKey;
      readonly frontend: Frontend;
      readonly was: Destination;
    };
