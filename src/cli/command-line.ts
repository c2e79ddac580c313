import type { Command } from "commander";
import type { Context, Surroundings } from "./context.ts";

/** What the parts of the command line are put together with. */
export interface CommandLine {
  readonly program: Command;
  readonly surroundings: Surroundings;
  /** What a command's action does: its exit code becomes the program's. */
  runs<A extends readonly unknown[]>(action: (...args: A) => Promise<number>): (...args: A) => Promise<void>;
  contextOf(command: Command): Context;
}

/** An option of every command that changes something. */
export const REASON = ["--reason <text>", "why, for the log and for those who come after"] as const;
