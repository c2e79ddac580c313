import type { ProbeOutcome } from "../model/probe.ts";
import { formatSize, formatStatus, type HttpOptions } from "./http-options.ts";
import { fail } from "./outcome.ts";

/** What a reply says about the server. */
export interface Verdict {
  /** Whether the body has to be kept for `body`. */
  readonly needsBody: boolean;
  /** The failure, if the status alone is one. */
  status(status: number): ProbeOutcome | undefined;
  /** Of a reply whose status is right; `whole` is false if the body was longer than `max_body`. */
  body(status: number, body: Buffer, whole: boolean): ProbeOutcome;
}

export function verdict({ expect, max_body }: Pick<HttpOptions, "expect" | "max_body">): Verdict {
  const wanted = expect.status.map(formatStatus).join(", ");
  const contains = expect.body?.contains;
  const bytes = contains === undefined ? undefined : Buffer.from(contains);
  const regex = expect.body?.regex === undefined ? undefined : new RegExp(expect.body.regex);
  const passes = new Map<number, ProbeOutcome>();

  return {
    needsBody: expect.body !== undefined,
    status(status) {
      if (expect.status.some(({ from, to }) => status >= from && status <= to)) return undefined;
      return fail(`status ${status}, expected ${wanted}`);
    },
    body(status, body, whole) {
      const part = whole ? "body" : `first ${formatSize(max_body)} of the body`;
      if (bytes !== undefined && !body.includes(bytes)) return fail(`${part} without ${JSON.stringify(contains)}`);
      if (regex !== undefined && !regex.test(body.toString())) return fail(`${part} does not match /${regex.source}/`);
      let pass = passes.get(status);
      if (pass === undefined) {
        pass = Object.freeze({ kind: "pass", detail: `status ${status}` });
        passes.set(status, pass);
      }
      return pass;
    },
  };
}
