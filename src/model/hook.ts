import type { Millis } from "./time.ts";

/** A script or webhook that is told of events. */
export interface Hook {
  /** Unique. A reload keeps the queue of the hook that has the same name. */
  readonly name: string;
  /** `all`, kinds of events (`server`), or kinds with what something became (`server.down`). At least one. */
  readonly on: readonly string[];
  /** Only events of these services; undefined: of all, and those that are of none. */
  readonly services: readonly string[] | undefined;
  readonly action: HookAction;
  /** Of one run, or of one attempt to reach the URL. */
  readonly timeout: Millis;
  /** Events that wait at most; beyond that the oldest is dropped. */
  readonly queue: number;
}

export type HookAction =
  | { readonly kind: "command"; readonly argv: readonly [command: string, ...args: string[]] }
  | {
      readonly kind: "webhook";
      /** http or https, without user or fragment. */
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      /** false: any certificate will do. */
      readonly verify: boolean;
      /** PEM file of the issuers to trust, instead of this machine's. */
      readonly ca: string | undefined;
      /** What is sent instead of the event as it is; undefined: the event. */
      readonly body: BodyTemplate | undefined;
    };

/** JSON whose texts name fields of the event: `{ text: "{hostname}: {message}" }`. */
export type BodyTemplate = string | readonly BodyTemplate[] | { readonly [key: string]: BodyTemplate };

/** What a body may name, in braces; `event` is the name hooks know the event by, `server.down`. */
export const BODY_FIELDS = [
  "event",
  "time",
  "sequence",
  "hostname",
  "hook",
  "kind",
  "severity",
  "service",
  "server",
  "address",
  "from",
  "to",
  "reason",
  "weight",
  "actor",
  "drain",
  "message",
  "missed",
] as const;

export type BodyField = (typeof BODY_FIELDS)[number];

/** Fields that a text names. */
export const BODY_FIELD = /\{([a-z_]+)\}/g;
