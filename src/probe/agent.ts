import type { Socket } from "node:net";
import { z } from "zod";
import type { ProbeOutcome, Prober, ProbeTarget, ProbeType } from "../model/probe.ts";
import { type AgentWord, agentWord } from "./agent-words.ts";
import { tcpConnector } from "./connector.ts";
import { type Done, fromError, type Phase, timedOut } from "./outcome.ts";
import { payload, payloadBytes, shown } from "./payload.ts";
import { hangUp } from "./tcp-connect.ts";

const options = z.strictObject({
  send: payload
    .optional()
    .describe(
      "Sent as soon as the connection stands, for agents that serve several and want to be told which is meant",
    ),
});

export type AgentOptions = z.output<typeof options>;

/** More than this no agent has to say. */
const LONGEST_LINE = 1_024;

/** Reads one line from an agent on the server, as HAProxy's agent-check does. What it does not mention stays as it said before; as long as it does
 *  not answer, or says nothing that means anything, everything does. */
export const agentProbe: ProbeType<AgentOptions> = {
  name: "agent",
  options,
  advisory: true,
  reports: () => true,
  label: () => "agent",
  open: openAgent,
};

interface Attempt {
  readonly done: Done;
  phase: Phase;
  abandon: () => void;
}

function openAgent(target: ProbeTarget, { send }: AgentOptions): Prober {
  const connect = tcpConnector(target);
  const bytes = send && payloadBytes(send);
  let health: AgentWord["health"];
  let current: Attempt | undefined;

  function finish(attempt: Attempt, outcome: () => ProbeOutcome): void {
    if (attempt !== current) return;
    current = undefined;
    attempt.abandon();
    attempt.done(outcome());
  }

  function heard(line: Buffer): ProbeOutcome {
    const text = line
      .toString("utf8")
      .replaceAll(/\p{Cc}+/gu, " ")
      .trim();
    const word = agentWord(text);
    if (word === undefined) return silent(`says nothing that means anything: ${shown(line)}`);
    health = word.health ?? health;
    const { report, unknown } = word;
    if (health?.kind === "down") return { kind: "fail", reason: health.reason, decisive: true, report };
    const lost = unknown.length === 0 ? "" : ` (not understood: ${unknown.join(" ").slice(0, 100)})`;
    return { kind: "pass", detail: `says ${text.slice(0, 200)}${lost}`, report };
  }

  function listen(attempt: Attempt, socket: Socket): void {
    attempt.phase = "waiting for the reply";
    let received = Buffer.alloc(0);
    socket.on("error", (error) =>
      finish(attempt, () => silent(wordsOf(fromError(error, "waiting for the reply", "network")))),
    );
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.findIndex((byte) => byte === 0x0a || byte === 0x0d);
      if (end >= 0) finish(attempt, () => heard(received.subarray(0, end)));
      else if (received.length > LONGEST_LINE)
        finish(attempt, () => silent(`says more than a line: ${shown(received)}`));
    });
    // Some close instead of ending the line.
    socket.on("end", () =>
      finish(attempt, () => (received.length > 0 ? heard(received) : silent("closed without a word"))),
    );
    if (bytes !== undefined) socket.write(bytes);
  }

  return {
    start(done) {
      if (current !== undefined) throw new Error("agent probe started while one is in flight");
      const attempt: Attempt = { done, phase: "while connecting", abandon: () => {} };
      current = attempt;
      attempt.abandon = connect({
        delayed() {},
        phase() {},
        failed: (outcome) => finish(attempt, () => silent(wordsOf(outcome))),
        ready(socket) {
          attempt.abandon = () => hangUp(socket, "fin");
          listen(attempt, socket);
        },
      });
    },
    cancel() {
      const attempt = current;
      if (attempt !== undefined) finish(attempt, () => silent(wordsOf(timedOut(target.timeout, attempt.phase))));
    },
    close() {
      const last = current;
      current = undefined;
      last?.abandon();
    },
  };
}

/** Nothing was learned, of the server's health least of all. */
function silent(why: string): ProbeOutcome {
  return { kind: "inconclusive", harmless: true, reason: `agent ${why}` };
}

function wordsOf(outcome: ProbeOutcome): string {
  return `did not answer: ${outcome.kind === "pass" ? outcome.detail : outcome.reason}`;
}
