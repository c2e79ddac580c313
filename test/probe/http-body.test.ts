import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProbeOutcome } from "../../src/model/probe.ts";
import { createBounded } from "../../src/probe/bounded.ts";
import { httpProbe } from "../../src/probe/http.ts";
import { type Case, line, manyOfEach, open, probe, probeOnce, target, testEach } from "../support/drive.ts";
import { type NastyServer, reply, tcpServer } from "../support/nasty-server.ts";

function http(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

const saying = (body: string) => (): Promise<NastyServer> => tcpServer(reply(http(body)));
const json = (...demands: Record<string, unknown>[]) => ({ expect: { body: { json: demands } } });
const status = json({ path: "$.status", equals: "ok" });

const HEALTH = JSON.stringify({
  status: "ok",
  ready: true,
  load: 0.5,
  version: "1",
  nothing: null,
  queue: { depth: 17 },
  checks: [
    { name: "db", status: "ok" },
    { name: "cache", status: "slow" },
  ],
});

const cases: readonly Case[] = [
  ["the expected value", saying(HEALTH), status, "pass: status 200"],
  ["one of several", saying(HEALTH), json({ path: "$.status", equals: ["up", "ok"] }), "pass: status 200"],
  ["another value", saying('{"status":"degraded"}'), status, 'fail: $.status is "degraded", expected "ok"'],
  [
    "none of several",
    saying(HEALTH),
    json({ path: "$.status", equals: ["up", "fine"] }),
    'fail: $.status is "ok", expected "up" or "fine"',
  ],
  ["a value that only has to be there", saying(HEALTH), json({ path: "$.nothing" }), "pass: status 200"],
  ["nothing there", saying(HEALTH), json({ path: "$.state" }), "fail: body has nothing at $.state"],
  ["nothing there, of which to be something", saying("{}"), status, "fail: body has nothing at $.status"],
  ["an inherited name", saying("{}"), json({ path: "$.constructor" }), "fail: body has nothing at $.constructor"],
  [
    "true, 1, 1.0 and null as text",
    saying(HEALTH),
    json(
      { path: "$.ready", equals: "true" },
      { path: "$.version", equals: "1" },
      { path: "$.queue.depth", equals: "17.0" },
      { path: "$.nothing", equals: "null" },
    ),
    "pass: status 200",
  ],
  [
    "a text where a number is not the same",
    saying(HEALTH),
    json({ path: "$.version", equals: "1.0" }),
    'fail: $.version is "1", expected "1.0"',
  ],
  [
    "a number within its limits",
    saying(HEALTH),
    json({ path: "$.queue.depth", min: "17", max: "17.5" }, { path: "$.load", max: "0.5" }),
    "pass: status 200",
  ],
  [
    "a number above",
    saying(HEALTH),
    json({ path: "$.queue.depth", max: "16" }),
    "fail: $.queue.depth is 17, expected at most 16",
  ],
  [
    "a number below",
    saying(HEALTH),
    json({ path: "$.load", min: "0.75" }),
    "fail: $.load is 0.5, expected at least 0.75",
  ],
  [
    "a text where a number should be",
    saying(HEALTH),
    json({ path: "$.status", min: "1" }),
    'fail: $.status is "ok", expected a number',
  ],
  [
    "a map where a text should be",
    saying(HEALTH),
    json({ path: "$.queue", equals: "17" }),
    'fail: $.queue is a map, expected "17"',
  ],
  [
    "a list where a text should be",
    saying(HEALTH),
    json({ path: "$.checks", equals: "db" }),
    'fail: $.checks is a list, expected "db"',
  ],
  ["a filter", saying(HEALTH), json({ path: "$.checks[?@.name=='db'].status", equals: "ok" }), "pass: status 200"],
  [
    "several values, one of which is wrong",
    saying(HEALTH),
    json({ path: "$.checks[*].status", equals: "ok" }),
    `fail: $['checks'][1]['status'] is "slow", expected "ok"`,
  ],
  [
    "a long text",
    saying(JSON.stringify({ status: "x".repeat(500) })),
    status,
    `fail: $.status is "${"x".repeat(56)}..., expected "ok"`,
  ],
  ["a page of HTML", saying("<html>It works!</html>"), status, "fail: body is not JSON"],
  ["no body", saying(""), status, "fail: body is not JSON"],
  ["half a document", saying('{"status":"o'), status, "fail: body is not JSON"],
  ["a document that is no map", saying("17"), status, "fail: body has nothing at $.status"],
  [
    "more than max_body",
    saying(JSON.stringify({ status: "ok", filling: "x".repeat(10_000_000) })),
    status,
    "fail: body is longer than 64KiB, too long to be read as JSON",
  ],
  [
    "a document nested out of all reason",
    saying(`${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`),
    json({ path: "$..status" }),
    "fail: body is nested too deep for $..status",
  ],
  [
    "contains, regex and json together",
    saying(HEALTH),
    { expect: { body: { contains: "db", regex: '"load":\\s*0\\.', json: { path: "$.ready", equals: "true" } } } },
    "pass: status 200",
  ],
];

describe("of a JSON body an http probe expects", () => testEach(httpProbe, cases));

test("a hundred probes of each leave no descriptor open", () =>
  manyOfEach(
    httpProbe,
    cases.filter(([what]) => what !== "more than max_body"),
  ));

test("what was read once is not taken for what is said next", async () => {
  const bodies = ['{"status":"ok"}', '{"status":"ok"}', '{"status":"no"}', '{"status":"no"}', '{"status":"ok"}'];
  await using server = await tcpServer((socket, nth) => reply(http(bodies[nth - 1]!))(socket, nth));
  const prober = open(httpProbe, target(server.port), status);
  const outcomes = [];
  for (const _ of bodies) outcomes.push((await probe(prober, 5000)).kind);
  prober.close();
  assert.deepEqual(outcomes, ["pass", "pass", "fail", "fail", "pass"]);
});

describe("a body made to stall a regular expression", () => {
  const EVIL = `${"a".repeat(5000)}!`;
  const evil = { expect: { body: { regex: "^(a+)+$" } } };

  /** A machine may be so busy that work gets no processor for three limits in a row. */
  async function decided(ask: () => Promise<ProbeOutcome>): Promise<string> {
    for (let i = 0; i < 20; i++) {
      const outcome = await ask();
      if (outcome.kind !== "inconclusive") return line(outcome);
    }
    return "never decided";
  }

  test("holds up the process for a moment, and then for a twentieth of the time, and does not stop other checks", async () => {
    await using server = await tcpServer((socket, nth) => reply(http(`${EVIL}${nth}`))(socket, nth));
    await using good = await tcpServer(reply(http("aaa")));
    const prober = open(httpProbe, target(server.port), evil);
    const stopped = "fail: matching body with /^(a+)+$/ takes longer than 50ms";
    assert.equal(await decided(() => probe(prober, 5000)), stopped);
    const soon = line(await probe(prober, 5000));
    assert.equal(soon, "inconclusive: director has no time at present to match body with /^(a+)+$/");
    assert.equal(await decided(() => probeOnce(httpProbe, target(good.port), evil)), "pass: status 200");
    await sleep(1100);
    assert.equal(await decided(() => probe(prober, 5000)), stopped);
    prober.close();
  });

  test("is judged anew where it is still the same: a match may have been cut short for another reason than itself", async () => {
    const short = `${"a".repeat(3000)}!`;
    await using server = await tcpServer(reply(http(short)));
    const prober = open(httpProbe, target(server.port), evil);
    assert.match(await decided(() => probe(prober, 5000)), /takes longer than 50ms$/);
    assert.match(line(await probe(prober, 5000)), /^inconclusive: director has no time at present/);
    prober.close();
  });

  test("is cut off in time", () => {
    const bounded = createBounded();
    const began = performance.now();
    const kinds = [1, 2, 3].map(() => bounded(() => /^(a+)+$/.test(EVIL)).kind);
    const took = performance.now() - began;
    assert.ok(!kinds.includes("done"));
    // Three times three limits, had there been no processor; and a busy machine on top.
    assert.ok(took < 2000, `${took} ms`);
  });

  test("and one with a quadratic answer for a harmless one does not either", async () => {
    await using server = await tcpServer(reply(http("ok".repeat(30_000))));
    const options = { expect: { body: { regex: "ok.*ready" } } };
    const outcome = await decided(() => probeOnce(httpProbe, target(server.port), options));
    assert.equal(outcome, "fail: matching body with /ok.*ready/ takes longer than 50ms");
  });

  test("nor one that is made for a JSON path", async () => {
    // Each step of `..` goes over everything below again.
    const body = JSON.stringify(Array.from({ length: 40 }, () => Array.from({ length: 30 }, () => [[[[[1, 2]]]]])));
    await using server = await tcpServer(reply(http(body)));
    const path = "$..*..*..*..*..x";
    const outcome = await decided(() => probeOnce(httpProbe, target(server.port), json({ path })));
    assert.equal(outcome, `fail: the search for ${path} in the body takes longer than 50ms`);
  });
});

describe("what is sent", () => {
  async function sent(options: Record<string, unknown>): Promise<string> {
    let heard = "";
    await using server = await tcpServer((socket) => {
      socket.on("data", (chunk: Buffer) => {
        heard += chunk.toString("latin1");
        if (heard.endsWith("}") || heard.endsWith("\xff")) socket.write(http("ok"));
      });
    });
    assert.equal(line(await probeOnce(httpProbe, target(server.port), options)), "pass: status 200");
    return heard;
  }

  test("a body follows its headers, with its length", async () => {
    const options = { method: "POST", path: "/rpc", host: "a", headers: { "Content-Type": "application/json" } };
    assert.equal(
      (await sent({ ...options, body: '{"q":"ä"}' })).toLowerCase(),
      'post /rpc http/1.1\r\nhost: a\r\nconnection: keep-alive\r\nuser-agent: director\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"q":"ã¤"}',
    );
  });

  test("bytes as hex", async () => {
    assert.ok((await sent({ method: "PUT", body: { hex: "00 01 ff" } })).endsWith("\r\n\r\n\x00\x01\xff"));
  });

  test("the same body goes out with every probe", async () => {
    const heard: string[] = [];
    await using server = await tcpServer((socket) => {
      socket.on("data", (chunk: Buffer) => {
        heard.push(chunk.toString().split("\r\n\r\n")[1]!);
        socket.write(http("ok"));
      });
    });
    for (const reuse_connection of ["true", "false"]) {
      const prober = open(httpProbe, target(server.port), { method: "POST", body: "ping", reuse_connection });
      for (let i = 0; i < 3; i++) assert.equal(line(await probe(prober, 5000)), "pass: status 200");
      prober.close();
    }
    assert.deepEqual(new Set(heard), new Set(["ping"]));
    assert.equal(heard.length, 6);
  });
});
