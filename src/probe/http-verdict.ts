import type { ProbeOutcome } from "../model/probe.ts";
import type { BodyExpectation } from "./body-options.ts";
import { type Bounded, createBounded, LIMIT_WORDS } from "./bounded.ts";
import { formatSize, formatStatus, type HttpOptions } from "./http-options.ts";
import { jsonJudge } from "./json-expect.ts";
import { fail, inconclusive } from "./outcome.ts";
import type { Judge } from "./requests.ts";

/** What a reply says about the server. */
export function verdict({ expect, max_body }: Pick<HttpOptions, "expect" | "max_body">): Judge {
  const wanted = expect.status.map(formatStatus).join(", ");
  const bounded = createBounded();
  const trouble = expect.body && remembering(bodyJudge(expect.body, formatSize(max_body), bounded), bounded);
  const passes = new Map<number, ProbeOutcome>();

  return {
    needsBody: trouble !== undefined,
    status(status) {
      if (expect.status.some(({ from, to }) => status >= from && status <= to)) return undefined;
      return fail(`status ${status}, expected ${wanted}`);
    },
    body(status, body, whole) {
      const failure = trouble?.(body, whole);
      if (failure !== undefined) return failure;
      let pass = passes.get(status);
      if (pass === undefined) {
        pass = Object.freeze({ kind: "pass", detail: `status ${status}` });
        passes.set(status, pass);
      }
      return pass;
    },
  };
}

/** undefined: the body is as it should be. */
type BodyJudge = (body: Buffer, whole: boolean) => ProbeOutcome | undefined;

function bodyJudge({ contains, regex, json }: BodyExpectation, limit: string, bounded: Bounded): BodyJudge {
  const bytes = contains === undefined ? undefined : Buffer.from(contains);
  const matches = regex === undefined ? undefined : regexJudge(regex, bounded);
  const documentTrouble = json && jsonJudge(json, bounded);
  return (body, whole) => {
    const part = whole ? "body" : `first ${limit} of the body`;
    if (bytes !== undefined && !body.includes(bytes)) return fail(`${part} without ${JSON.stringify(contains)}`);
    if (documentTrouble !== undefined && !whole)
      return fail(`body is longer than ${limit}, too long to be read as JSON`);
    return matches?.(body, part) ?? documentTrouble?.(body);
  };
}

function regexJudge(source: string, bounded: Bounded): (body: Buffer, part: string) => ProbeOutcome | undefined {
  const regex = new RegExp(source);
  // Without repetition or choice a match cannot take long.
  const dear = /[*+?{|]/.test(source);
  return (body, part) => {
    const text = body.toString();
    const result = dear ? bounded(() => regex.test(text)) : { kind: "done" as const, value: regex.test(text) };
    switch (result.kind) {
      case "done":
        return result.value ? undefined : fail(`${part} does not match /${regex.source}/`);
      case "stopped":
        return fail(`matching ${part} with /${regex.source}/ takes longer than ${LIMIT_WORDS}`);
      case "postponed":
        return inconclusive(`director has no time at present to match ${part} with /${regex.source}/`);
    }
  };
}

/** Bodies up to this size are kept: most servers say the same thing every time. */
const REMEMBERED = 4096;

/** Judges the same short body only once in a row. What was cut short is judged again: on a busy machine that may be over, and the body still the same. */
function remembering(judge: BodyJudge, { wasCutShort }: Bounded): BodyJudge {
  let last: { readonly body: Buffer; readonly failure: ProbeOutcome | undefined } | undefined;
  return (body, whole) => {
    if (!whole || body.length > REMEMBERED) return judge(body, whole);
    if (last?.body.equals(body)) return last.failure;
    const failure = judge(body, whole);
    // What was not done has to be done again; and a copy, for the body is a piece of something longer.
    last = failure?.kind === "inconclusive" || wasCutShort() ? undefined : { body: Buffer.from(body), failure };
    return failure;
  };
}
