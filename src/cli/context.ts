import { userInfo } from "node:os";
import { type Client, createClient } from "../control/client.ts";
import type { Millis } from "../model/time.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import type { Output } from "./output.ts";

/** How commands end. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 69, badConfig: 78 } as const;

/** The command cannot be understood; the message says what to write instead. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** It cannot be done; the message says why. */
export class Failed extends Error {
  override readonly name = "Failed";
}

/** What every command gets. */
export interface Context {
  readonly json: boolean;
  readonly out: Output;
  readonly clock: Clock;
  readonly client: Client;
  /** Aborted by nobody but the command itself. */
  readonly signal: AbortSignal;
  readonly abort: () => void;
}

/** What a command has of the process it runs in. */
export interface Surroundings {
  readonly out: Output;
  readonly env: NodeJS.ProcessEnv;
}

export interface GlobalOptions {
  readonly socket?: string;
  readonly json?: boolean;
}

export const DEFAULT_SOCKET = "/run/director/control.sock";

/** --socket, then DIRECTOR_SOCKET, then what `further` knows, then the usual place. */
export function socketPath(options: GlobalOptions, environment: NodeJS.ProcessEnv, further?: string): string {
  return options.socket ?? (environment.DIRECTOR_SOCKET || undefined) ?? further ?? DEFAULT_SOCKET;
}

/** @param further the socket as something else names it, see socketPath */
export function createContext({ out, env }: Surroundings, options: GlobalOptions, further?: string): Context {
  const abort = new AbortController();
  const json = options.json === true;
  const socket = socketPath(options, env, further);
  return {
    json,
    out,
    clock: systemClock,
    client: createClient({ clock: systemClock, socket, actor: actor(env), printable: !json }),
    signal: abort.signal,
    abort: () => abort.abort(new Error("given up")),
  };
}

/** Who gives the commands, as we may claim: whoever called sudo, else the user's name, else his number. */
export function actor(environment: NodeJS.ProcessEnv): string {
  if (environment.SUDO_USER) return environment.SUDO_USER;
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.()}`;
  }
}

/** Ends after `ms`, or at once when `signal` aborts. */
export function pause(clock: Clock, ms: Millis, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      disarm();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const disarm = clock.after(ms, end);
    signal.addEventListener("abort", end, { once: true });
  });
}

/** One value as JSON, for programs. */
export function printJson({ out }: Context, value: unknown): void {
  out.print(JSON.stringify(value, undefined, 2));
}
