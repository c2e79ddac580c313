import type { DrainPhase } from "./drain.ts";

export type DrainCommand = "pause" | "resume" | "finish" | "rollback" | "abort";
/** Given to a server, not to a drain. */
export type ServerCommand = "undrain";

/** What happens to a drain without anybody's command. */
export type DrainEventName =
  | "news healthy"
  | "news not healthy in time"
  | "step due"
  | "pause-at reached"
  | "all moved"
  | "idle"
  | "grace over"
  | "new down"
  | "every new down"
  | "a new healthy again"
  | "news healthy again"
  | "news down too long"
  | "capacity short"
  | "capacity enough again"
  | "state unwritable"
  | "state writable again"
  | "service left"
  | "news left"
  | "a new left"
  | "machine undone"
  | "ttl over"
  | "long gap";

type State = DrainPhase["kind"];

export interface Transition {
  readonly from: readonly State[];
  /** A command stands in its own name. */
  readonly on: DrainEventName | DrainCommand | ServerCommand;
  readonly to: readonly State[];
  /** What it does, for people. */
  readonly does: string;
}

const ACTIVE: readonly State[] = ["pending", "shifting", "paused", "draining"];

/** Every transition there is. docs/drains.md shows this table; a test holds both, and what the machine does in random histories, together. */
export const TRANSITIONS: readonly Transition[] = [
  { from: ["pending"], on: "news healthy", to: ["shifting"], does: "every new is up: the first step follows at once" },
  {
    from: ["pending"],
    on: "news not healthy in time",
    to: ["failed"],
    does: "nothing was changed; the wait is --new-down-timeout",
  },
  {
    from: ["shifting"],
    on: "step due",
    to: ["shifting"],
    does: "one more step, --every after the last; news are raised first",
  },
  { from: ["shifting"], on: "pause-at reached", to: ["paused"], does: "the step is in force; waits for resume" },
  { from: ["shifting"], on: "all moved", to: ["draining"], does: "the olds are at weight 0; --grace begins" },
  {
    from: ["draining"],
    on: "idle",
    to: ["done"],
    does: "no connection is left, as --idle counts them; the shares stand",
  },
  {
    from: ["draining"],
    on: "grace over",
    to: ["done"],
    does: "connections are left; weight stays 0, the shares stand",
  },
  {
    from: ["shifting", "draining", "paused"],
    on: "new down",
    to: ["paused"],
    does: "what it took counts for the olds again, at once",
  },
  { from: ["paused"], on: "every new down", to: ["paused"], does: "--new-down-timeout begins" },
  {
    from: ["paused"],
    on: "a new healthy again",
    to: ["paused"],
    does: "not every new is down any more: that clock ends",
  },
  { from: ["paused"], on: "news healthy again", to: ["shifting"], does: "goes on one step back" },
  { from: ["paused"], on: "news down too long", to: ["rolled-back"], does: "the weights of before" },
  {
    from: ["shifting"],
    on: "capacity short",
    to: ["paused"],
    does: "the next step would leave less than --min-capacity",
  },
  {
    from: ["paused"],
    on: "capacity enough again",
    to: ["shifting"],
    does: "goes on where it was",
  },
  {
    from: ["pending", "shifting", "draining"],
    on: "state unwritable",
    to: ["paused"],
    does: "what cannot be recorded does not happen; health goes on",
  },
  {
    from: ["paused"],
    on: "state writable again",
    to: ["pending", "shifting", "draining"],
    does: "goes on where it was",
  },
  {
    from: ACTIVE,
    on: "a new left",
    to: ["paused"],
    does: "a reload took one of several news away; resume goes on without it",
  },
  { from: ACTIVE, on: "news left", to: ["rolled-back"], does: "a reload took every new away" },
  { from: ACTIVE, on: "service left", to: ["aborted"], does: "a reload took the service away" },
  {
    from: [...ACTIVE, "done", "aborted"],
    on: "machine undone",
    to: ["rolled-back"],
    does: "with --host: another service's drain of the same machine was undone",
  },
  {
    from: ACTIVE,
    on: "long gap",
    to: ["paused"],
    does: "director did not run for longer than two steps and 60s, or the machine was restarted; waits for resume",
  },
  { from: ACTIVE, on: "long gap", to: ["rolled-back"], does: "the same with --on-restart rollback" },
  { from: [...ACTIVE, "done", "aborted"], on: "ttl over", to: ["rolled-back"], does: "nobody has undone it in time" },
  {
    from: ACTIVE,
    on: "pause",
    to: ["paused"],
    does: "shares stand; health still acts, and so does the clock of a failure",
  },
  { from: ["paused"], on: "resume", to: ["pending", "shifting", "draining"], does: "goes on where it was" },
  {
    from: ["pending", "shifting", "paused"],
    on: "finish",
    to: ["shifting"],
    does: "to the last step now, if the news are up",
  },
  {
    from: [...ACTIVE, "done", "aborted", "rolled-back"],
    on: "rollback",
    to: ["rolled-back"],
    does: "the weights of before, at once; needs nothing healthy",
  },
  { from: [...ACTIVE, "aborted"], on: "abort", to: ["aborted"], does: "stops here; the shares stand" },
  {
    from: [...ACTIVE, "done", "aborted"],
    on: "undrain",
    to: ["rolled-back"],
    does: "of its only old, or the last one left: the weights of before",
  },
  { from: ["done"], on: "undrain", to: ["done"], does: "of one of several olds: the others' shares stand" },
  { from: ["aborted"], on: "undrain", to: ["aborted"], does: "of one of several olds: the others' shares stand" },
];
