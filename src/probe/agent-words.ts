import type { Report } from "../model/probe.ts";

/** What one line of an agent says. Keys that it does not mention are left out. */
export interface AgentWord {
  /** Whether the server works, by its own account. */
  readonly health?: { readonly kind: "up" } | { readonly kind: "down"; readonly reason: string };
  readonly report: Report;
  /** Words that mean nothing to us. */
  readonly unknown: readonly string[];
}

/** Reads a line as HAProxy does (configuration manual, `agent-check`): words between blanks, tabs or commas, in any order and any case, and after
 *  a `#` a text for people. `75%` is a part of the weight; `ready` ends `drain` and `maint`; `up` ends `down`, `fail` and `stopped`. `maxconn:`
 *  is for HAProxy. Of several words for one thing the last counts. undefined: there is not a single word that means something. */
export function agentWord(line: string): AgentWord | undefined {
  const [words = "", ...comments] = line.split("#");
  const text = comments.join("#").trim();
  const unknown: string[] = [];
  let understood = false;
  let health: AgentWord["health"];
  const report: { -readonly [K in keyof Report]: Report[K] } = {};
  for (const word of words.split(/[ \t,]+/).filter((each) => each !== "")) {
    const small = word.toLowerCase();
    const part = /^(\d{1,6}(?:\.\d{1,6})?)%$/.exec(small)?.[1];
    if (part !== undefined) report.factor = Number(part) / 100;
    else if (small === "up") health = { kind: "up" };
    else if (small === "down" || small === "fail" || small === "stopped")
      health = { kind: "down", reason: `agent says ${small}${text === "" ? "" : ` (${text})`}` };
    else if (small === "ready") report.hold = undefined;
    else if (small === "drain" || small === "maint") report.hold = small;
    else if (!/^maxconn:\d+$/.test(small)) {
      unknown.push(word);
      continue;
    }
    understood = true;
  }
  return understood ? { ...(health && { health }), report, unknown } : undefined;
}
