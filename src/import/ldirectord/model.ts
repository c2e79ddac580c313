import type { IpAddress } from "../../model/address.ts";
import type { Millis } from "../../model/time.ts";
import type { Notes, Place } from "../notes.ts";

export const SERVICES = [
  "dns",
  "ftp",
  "http",
  "https",
  "http_proxy",
  "imap",
  "imaps",
  "ldap",
  "mysql",
  "nntp",
  "none",
  "oracle",
  "pgsql",
  "pop",
  "pops",
  "radius",
  "simpletcp",
  "sip",
  "smtp",
  "submission",
] as const;

export type ServiceWord = (typeof SERVICES)[number];

/** What is checked where nothing is said, by the port of the virtual service (ld_port_to_service). */
export const SERVICE_OF_PORT: Readonly<Record<number, ServiceWord>> = {
  21: "ftp",
  25: "smtp",
  53: "dns",
  80: "http",
  110: "pop",
  119: "nntp",
  143: "imap",
  389: "ldap",
  443: "https",
  587: "submission",
  993: "imaps",
  995: "pops",
  1521: "oracle",
  1812: "radius",
  3128: "http_proxy",
  3306: "mysql",
  5060: "sip",
  5432: "pgsql",
};

/** And the port that is probed where a real server has none (ld_service_to_port). */
export const PORT_OF_SERVICE: ReadonlyMap<ServiceWord, number> = new Map(
  Object.entries(SERVICE_OF_PORT).map(([port, service]) => [service, Number(port)]),
);

export type CheckType =
  | { readonly kind: "negotiate" | "connect" | "ping" | "external" | "external-perl" | "on" | "off" }
  /** So many connects, then one negotiate. */
  | { readonly kind: "combined"; readonly connects: number };

export type Method = "gate" | "masq" | "ipip";

/** What counts for a virtual where it says nothing itself. undefined: not said. */
export interface Shared {
  readonly checkTimeout: Millis | undefined;
  readonly negotiateTimeout: Millis | undefined;
  readonly failureCount: number | undefined;
  readonly quiescent: boolean | undefined;
  readonly fallbackCommand: { readonly argv: readonly string[]; readonly place: Place } | undefined;
}

export interface Fallback {
  readonly address: IpAddress;
  /** undefined: the virtual service's. */
  readonly port: number | undefined;
  readonly method: Method;
  readonly place: Place;
}

export interface Globals extends Shared {
  readonly checkInterval: Millis;
  readonly forking: boolean;
  readonly fallback: { readonly 4: Fallback | undefined; readonly 6: Fallback | undefined };
}

export interface Virtual extends Shared {
  readonly place: Place;
  readonly title: string;
  readonly notes: Notes;
  readonly family: 4 | 6;
  readonly at:
    | { readonly kind: "address"; readonly address: IpAddress; readonly port: number }
    | { readonly kind: "fwmark"; readonly mark: number };
  readonly protocol: "tcp" | "udp" | undefined;
  readonly scheduler: string;
  readonly onePacket: boolean;
  readonly persistent: number | undefined;
  readonly netmask: string | undefined;
  readonly checkType: CheckType;
  readonly checkInterval: Millis | undefined;
  readonly checkPort: number | undefined;
  readonly checkCommand: string;
  readonly service: ServiceWord;
  readonly request: string;
  readonly receive: string;
  readonly method: "GET" | "HEAD";
  readonly host: string | undefined;
  readonly login: boolean;
  readonly fallback: Fallback | undefined;
  readonly reals: readonly Real[];
}

export interface Real {
  readonly place: Place;
  readonly address: IpAddress;
  readonly port: number | undefined;
  readonly method: Method;
  readonly weight: number;
  readonly request: string | undefined;
  readonly receive: string | undefined;
}
