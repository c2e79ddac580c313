import type { Endpoint } from "./address.ts";
import type { Hook } from "./hook.ts";
import type { Service } from "./service.ts";
import type { Millis } from "./time.ts";

export interface SyncSettings {
  readonly role: "master" | "backup" | "both";
  readonly interface: string;
  readonly id: number;
}

export interface Timeouts {
  readonly tcp: number | undefined;
  readonly tcpFin: number | undefined;
  readonly udp: number | undefined;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** director.conf, parsed, checked and with every default filled in. */
export interface Config {
  readonly ipvs: {
    /** observe: probes, decides and shows the difference, never writes. */
    readonly mode: "manage" | "observe";
    readonly backend: "ipvsadm" | "memory";
    readonly command: string;
    readonly timeout: Millis;
    readonly resync: Millis;
    readonly drift: "repair" | "report";
    /** undefined: whatever runs is left alone. `id` 0 to 255. */
    readonly sync: SyncSettings | undefined;
    /** In seconds, 1 to 2678400 (31 days), as ipvsadm accepts; what is undefined is left as it is. */
    readonly timeouts: Timeouts | undefined;
  };
  /** Where the services' addresses are kept; undefined: nowhere, somebody else does that. */
  readonly vips: { readonly device: string; readonly withdraw: boolean } | undefined;
  readonly state: { readonly directory: string };
  readonly control: {
    readonly socket: string;
    /** Permission bits, 0 to 0o777. */
    readonly mode: number;
    /** undefined: the process's own. */
    readonly group: string | undefined;
    readonly readOnly: { readonly socket: string; readonly mode: number } | undefined;
  };
  readonly http: { readonly listen: readonly Endpoint[]; readonly hosts: readonly string[] } | undefined;
  readonly log: { readonly level: LogLevel; readonly format: "auto" | "journal" | "text" | "json" };
  /** 0 to 1: the share of the services, or of one service's configured weight, that a reload may take away unforced. */
  readonly reload: { readonly maxRemoved: number };
  readonly hooks: readonly Hook[];
  readonly services: readonly Service[];
}

export type ConfigPath = readonly (string | number)[];

/** One problem of a configuration file. Printed as `FILE:LINE:COL: path: message`. */
export interface ConfigProblem {
  readonly severity: "error" | "warning";
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly path: ConfigPath;
  readonly message: string;
}
