import type { Frontend } from "./service.ts";

/** Frontends that follow one another port by port, in order: `192.0.2.10:8000-8010` was written as one, and is said as one. */
export interface PortRun {
  readonly first: Frontend;
  /** The last port; undefined: a single frontend. */
  readonly lastPort: number | undefined;
}

/** Splits a list into the runs it consists of; putting them one after the other gives the list again. */
export function portRuns(frontends: readonly Frontend[]): readonly PortRun[] {
  const runs: { first: Frontend; lastPort: number | undefined }[] = [];
  let before: Frontend | undefined;
  for (const frontend of frontends) {
    const run = runs.at(-1);
    if (run && before && follows(before, frontend)) run.lastPort = frontend.port;
    else runs.push({ first: frontend, lastPort: undefined });
    before = frontend;
  }
  return runs;
}

function follows(before: Frontend, next: Frontend): next is Extract<Frontend, { kind: "address" }> {
  return (
    before.kind === "address" &&
    next.kind === "address" &&
    next.protocol === before.protocol &&
    next.address.text === before.address.text &&
    next.port === before.port + 1
  );
}
