import type { ServerKey, ServiceKey } from "../model/service.ts";
import type { EpochMs } from "../model/time.ts";
import type { Drain } from "./drain.ts";
import type { Freeze } from "./freeze.ts";

/** Who said so, when and why; the actor is what the caller claims (SUDO_USER, uid). */
export interface Said {
  readonly by: string;
  readonly at: EpochMs;
  readonly reason: string | undefined;
}

/** What operators said of one real server. Each point stands on its own: clearing one never clears another. */
export interface ServerIntent {
  /** Every kernel entry of the service: found again when one of them is still there, whatever the service is called. */
  readonly services: readonly ServiceKey[];
  readonly server: ServerKey;
  readonly disabled: (Said & { readonly until: EpochMs | undefined }) | undefined;
  /** Stands until the file's own weight (`configured` then) changes. */
  readonly weight: (Said & { readonly value: number; readonly configured: number }) | undefined;
  /** The kernel had it at weight 0 and our own state was gone: whoever quiesced it must say that it may serve. */
  readonly stateLost: { readonly at: EpochMs } | undefined;
}

/** Everything that is to survive a restart: one document, written and synced before it acts. */
export interface Intent {
  readonly version: 1;
  /** Grows with every write; the ETag of /v1/intent. */
  readonly revision: number;
  /** Of the kernel whose monotonic times stand in here. */
  readonly bootId: string;
  /** Kernel entries that a configuration of ours declared and that may still be in the table: those we may delete. */
  readonly owned: readonly ServiceKey[];
  readonly servers: readonly ServerIntent[];
  readonly drains: readonly Drain[];
  /** Servers that drains brought in and the file does not have yet. */
  readonly added: readonly AddedServer[];
  /** Those whose time is over stand here until the next one. */
  readonly freezes: readonly Freeze[];
  /** What we made beside the table: that much is ours to undo. */
  readonly kept: Kept;
}

export interface Kept {
  /** Of the kernel's sync daemons those that we started. */
  readonly sync: readonly ("master" | "backup")[];
  readonly addresses: readonly OwnAddress[];
}

/** An address of a service that we put on an interface, as a single one (/32, /128). */
export interface OwnAddress {
  readonly device: string;
  /** Canonical text. */
  readonly address: string;
}

/** A server beside those of the file: weight 0 and everything else as its service gives it. It ends when the file has it, or with the drain that
 *  brought it, if that leaves nothing standing. */
export interface AddedServer {
  readonly services: readonly ServiceKey[];
  /** As it would stand in the file: `10.0.0.13:8080`. */
  readonly address: string;
  readonly server: ServerKey;
}

export const EMPTY_INTENT: Intent = {
  version: 1,
  revision: 0,
  bootId: "",
  owned: [],
  servers: [],
  drains: [],
  added: [],
  freezes: [],
  kept: { sync: [], addresses: [] },
};

/** The entry for a server of a service with these kernel entries. */
export function intentOf(intent: Intent, services: readonly ServiceKey[], server: ServerKey): ServerIntent | undefined {
  return intent.servers.find((s) => s.server === server && s.services.some((key) => services.includes(key)));
}

/** The document with one server's entry changed; an entry that says nothing any more is left out. */
export function withServer(
  intent: Intent,
  services: readonly ServiceKey[],
  server: ServerKey,
  change: (entry: ServerIntent) => ServerIntent,
): Intent {
  const old = intentOf(intent, services, server);
  const blank: ServerIntent = { services, server, disabled: undefined, weight: undefined, stateLost: undefined };
  const entry = { ...change(old ?? blank), services };
  const rest = intent.servers.filter((s) => s !== old);
  const speaks = entry.disabled || entry.weight || entry.stateLost;
  return { ...intent, servers: speaks ? [...rest, entry] : rest };
}

/** The document with a drain put in the place of the one with its id, or added. */
export function withDrain(intent: Intent, drain: Drain): Intent {
  const known = intent.drains.some((d) => d.id === drain.id);
  const drains = known ? intent.drains.map((d) => (d.id === drain.id ? drain : d)) : [...intent.drains, drain];
  return { ...intent, drains };
}
