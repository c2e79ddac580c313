import { openSync, writeSync } from "node:fs";
import type { TestEvent } from "node:test/reporters";

const channel = "/dev/tty3";

/** What the machine tells the host about its tests, one JSON text a line on the channel. */
export type Told =
  | { readonly kind: "start"; readonly nesting: number; readonly name: string }
  | { readonly kind: "end"; readonly nesting: number; readonly verdict: Verdict }
  /** `t.diagnostic`: what a step measured. */
  | { readonly kind: "note"; readonly text: string };

export type Verdict =
  | { readonly kind: "pass" }
  | { readonly kind: "skip"; readonly reason: string }
  | { readonly kind: "fail"; readonly error: string };

/** A reporter for node's test runner: `--test-reporter`. It writes by itself, since the runner would fsync a file, which a terminal refuses. */
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const fd = openSync(channel, "w");
  let over = false;
  for await (const event of source) {
    // What comes behind the plan of the whole are the runner's own sums.
    over ||= event.type === "test:plan" && event.data.nesting === 0;
    const told = over ? undefined : read(event);
    if (told !== undefined) writeSync(fd, `${JSON.stringify(told)}\n`);
  }
  yield "";
}

function read(event: TestEvent): Told | undefined {
  if (event.type === "test:diagnostic") return { kind: "note", text: event.data.message };
  if (event.type === "test:dequeue") return { kind: "start", nesting: event.data.nesting, name: event.data.name };
  if (event.type === "test:pass") {
    const { nesting, skip } = event.data;
    const verdict: Verdict =
      skip === undefined || skip === false ? { kind: "pass" } : { kind: "skip", reason: String(skip) };
    return { kind: "end", nesting, verdict };
  }
  if (event.type !== "test:fail") return undefined;
  const { error } = event.data.details;
  const cause: unknown = error.cause ?? error;
  return { kind: "end", nesting: event.data.nesting, verdict: { kind: "fail", error: explain(cause) } };
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const why = error.cause === undefined ? "" : `\ncause: ${explain(error.cause)}`;
  return `${error.stack ?? error.message}${why}`;
}
