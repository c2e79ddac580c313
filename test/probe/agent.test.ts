import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { agentProbe } from "../../src/probe/agent.ts";
import { agentWord } from "../../src/probe/agent-words.ts";
import { line, open, probe, probeOnce, target } from "../support/drive.ts";
import { type Behaviour, drip, greet, resetOnAccept, stall, tcpServer } from "../support/nasty-server.ts";

describe("the words of an agent", () => {
  const down = (reason: string) => ({ kind: "down", reason });
  const up = { kind: "up" };
  const table: readonly [line: string, what: unknown][] = [
    ["75%", { report: { factor: 0.75 }, unknown: [] }],
    ["0%", { report: { factor: 0 }, unknown: [] }],
    ["150%", { report: { factor: 1.5 }, unknown: [] }],
    ["12.5%", { report: { factor: 0.125 }, unknown: [] }],
    ["up", { health: up, report: {}, unknown: [] }],
    ["ready", { report: { hold: undefined }, unknown: [] }],
    ["drain", { report: { hold: "drain" }, unknown: [] }],
    ["maint", { report: { hold: "maint" }, unknown: [] }],
    ["down", { health: down("agent says down"), report: {}, unknown: [] }],
    ["stopped", { health: down("agent says stopped"), report: {}, unknown: [] }],
    ["fail#disk full", { health: down("agent says fail (disk full)"), report: {}, unknown: [] }],
    [
      "down 50% # kernel update #2",
      { health: down("agent says down (kernel update #2)"), report: { factor: 0.5 }, unknown: [] },
    ],
    ["up ready 75%", { health: up, report: { hold: undefined, factor: 0.75 }, unknown: [] }],
    ["75%,ready\tup", { health: up, report: { hold: undefined, factor: 0.75 }, unknown: [] }],
    ["UP Ready", { health: up, report: { hold: undefined }, unknown: [] }],
    ["drain ready", { report: { hold: undefined }, unknown: [] }],
    ["10% 20%", { report: { factor: 0.2 }, unknown: [] }],
    ["up maxconn:30", { health: up, report: {}, unknown: [] }],
    ["up sideways", { health: up, report: {}, unknown: ["sideways"] }],
    ["", undefined],
    ["   ", undefined],
    ["# up", undefined],
    ["75", undefined],
    ["-5%", undefined],
    ["1e3%", undefined],
    ["HTTP/1.1 400 Bad Request", undefined],
  ];
  for (const [said, what] of table) test(JSON.stringify(said), () => assert.deepEqual(agentWord(said), what));
});

/** Says its lines one connection after the other, the last for ever. */
function says(...lines: readonly string[]): Behaviour {
  return (socket, nth) => void socket.end(lines[Math.min(nth, lines.length) - 1]!);
}

describe("an agent over TCP", () => {
  test("what it says is told", async () => {
    await using server = await tcpServer(says("up 75%\n"));
    assert.deepEqual(await probeOnce(agentProbe, target(server.port)), {
      kind: "pass",
      detail: "says up 75%",
      report: { factor: 0.75 },
    });
  });

  test("down, fail and stopped count at once, whatever `fall` says", async () => {
    await using server = await tcpServer(says("stopped#update\r\n"));
    assert.deepEqual(await probeOnce(agentProbe, target(server.port)), {
      kind: "fail",
      reason: "agent says stopped (update)",
      decisive: true,
      report: {},
    });
  });

  test("down lasts until it says up: a percentage alone says nothing of that", async () => {
    await using server = await tcpServer(says("down\n", "50%\n", "up\n", "60%\n"));
    const prober = open(agentProbe, target(server.port));
    const lines: string[] = [];
    for (let i = 0; i < 4; i++) lines.push(line(await probe(prober, 2000)));
    prober.close();
    assert.deepEqual(lines, ["fail: agent says down", "fail: agent says down", "pass: says up", "pass: says 60%"]);
  });

  test("what it is to be sent comes first", async () => {
    await using server = await tcpServer((socket) =>
      socket.once("data", (data) => void socket.end(data.toString() === "web\n" ? "drain\n" : "what?\n")),
    );
    const outcome = await probeOnce(agentProbe, target(server.port), { send: "web\n" });
    assert.deepEqual(outcome, { kind: "pass", detail: "says drain", report: { hold: "drain" } });
  });

  const silences: readonly [what: string, Behaviour, RegExp][] = [
    ["one that closes without a word", says(""), /closed without a word/],
    ["one that talks HTTP", says("HTTP/1.1 400 Bad Request\r\n\r\n"), /nothing that means anything: "HTTP\/1\.1 400/],
    ["one that begins with an empty line", says("\nup\n"), /nothing that means anything/],
    [
      "one that sends noise",
      (socket) => void socket.end(Buffer.from([0, 255, 1, 10])),
      /nothing that means anything: hex 00ff01/,
    ],
    ["one that never ends its line", (socket) => void socket.write("up ".repeat(2_000)), /says more than a line/],
    ["one that resets", resetOnAccept, /did not answer: connection reset/],
    ["one that says nothing", stall, /did not answer: timed out after 300ms waiting for the reply/],
    ["one that drips", drip("u", 20), /did not answer: timed out after 300ms|says more than a line/],
  ];
  for (const [what, behave, reason] of silences)
    test(`${what} has said nothing, and that is no harm`, async () => {
      await using server = await tcpServer(behave);
      const outcome = await probeOnce(agentProbe, target(server.port, /300ms/.test(String(reason)) ? 300 : 5000));
      assert.equal(outcome.kind, "inconclusive");
      assert.ok(outcome.kind === "inconclusive" && outcome.harmless);
      assert.match(outcome.reason, reason);
    });

  test("nobody there has said nothing, and that is no harm", async () => {
    const server = await tcpServer(stall);
    await server.close();
    const outcome = await probeOnce(agentProbe, target(server.port));
    assert.deepEqual(outcome, {
      kind: "inconclusive",
      harmless: true,
      reason: "agent did not answer: connection refused",
    });
  });

  test("a line comes in pieces, and what follows it does not matter", async () => {
    await using server = await tcpServer((socket) => {
      socket.write("ma");
      setImmediate(() => socket.write("int 5"));
      setImmediate(() => setImmediate(() => socket.write("0%\nup\nwhatever")));
    });
    const outcome = await probeOnce(agentProbe, target(server.port));
    assert.deepEqual(outcome, { kind: "pass", detail: "says maint 50%", report: { hold: "maint", factor: 0.5 } });
  });

  test("closed in the middle it tells nobody", async () => {
    await using server = await tcpServer(stall);
    const prober = open(agentProbe, target(server.port));
    prober.start(() => assert.fail("it told"));
    while (server.seen() === 0) await new Promise((resolve) => setImmediate(resolve));
    prober.close();
    prober.cancel();
    await new Promise((resolve) => setTimeout(resolve, 20));
  });

  test("a greeting that stays open is enough", async () => {
    await using server = await tcpServer(greet("ready\r\n"));
    assert.equal(line(await probeOnce(agentProbe, target(server.port))), "pass: says ready");
  });
});
