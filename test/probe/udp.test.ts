import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { describe, test } from "node:test";
import type { Prober } from "../../src/model/probe.ts";
import { udpProbe } from "../../src/probe/udp.ts";
import {
  type Case,
  leavesNothing,
  line,
  manyOfEach,
  open,
  probe,
  probeOnce,
  target,
  testEach,
} from "../support/drive.ts";
import { later, nobodyOnUdp, type UdpBehaviour, udpServer } from "../support/nasty-server.ts";

const echo: UdpBehaviour = (datagram, from, server) => server.send(datagram, from.port, from.address);

function say(...texts: string[]): UdpBehaviour {
  return (_datagram, from, server) => {
    for (const text of texts) server.send(text, from.port, from.address);
  };
}

/** Answers only the nth datagram of every three, which are those of one probe. */
function nth(n: number, behave: UdpBehaviour): UdpBehaviour {
  return (datagram, from, server, count) => {
    if ((count - 1) % 3 === n - 1) behave(datagram, from, server, count);
  };
}

const ping = { send: "ping", expect: "pong" };
const syslog = { send: "<14>probe", silence: "pass" };

/** Hosts ration their refusals, so each of these tests has a host of its own. */
let lastHost = 0;
function newHost(): string {
  lastHost += 1;
  return `127.0.1.${lastHost}`;
}

const cases: readonly Case[] = [
  ["the expected reply", () => udpServer(say("pong")), ping, "pass: expected reply"],
  ["a longer reply that begins as expected", () => udpServer(say("pong 17")), ping, "pass: expected reply"],
  [
    "a longer reply than the exact one",
    () => udpServer(say("pong 17")),
    { send: "ping", expect: { text: "pong", exact: "true" } },
    'fail: unexpected reply "pong 17" of 7 bytes',
  ],
  [
    "the exact reply",
    () => udpServer(say("pong")),
    { send: "ping", expect: { text: "pong", exact: "true" } },
    "pass: expected reply",
  ],
  [
    "an echo in hex",
    () => udpServer(echo),
    { send: { hex: "00 01 ff" }, expect: { hex: "0001FF" } },
    "pass: expected reply",
  ],
  [
    "an echo of which some digits are known",
    () => udpServer(echo),
    { send: { hex: "1234ab" }, expect: { hex: "xx3xab" } },
    "pass: expected reply",
  ],
  ["a wrong reply", () => udpServer(say("nope")), ping, 'fail: unexpected reply "nope" of 4 bytes'],
  [
    "a wrong reply in binary",
    () => udpServer((_d, from, server) => server.send(Buffer.alloc(40, 1), from.port, from.address)),
    ping,
    `fail: unexpected reply hex ${"01".repeat(24)}… of 40 bytes`,
  ],
  ["a reply cut short", () => udpServer(say("pon")), ping, 'fail: unexpected reply "pon" of 3 bytes'],
  ["an empty reply", () => udpServer(say("")), ping, "fail: unexpected reply of 0 bytes"],
  [
    "a reply of any kind, as long as it has to be",
    () => udpServer(say("whatever")),
    { send: "ping", expect: { min_length: "8", max_length: "8" } },
    "pass: expected reply",
  ],
  [
    "a reply with one byte too few",
    () => udpServer(say("whatever")),
    { send: "ping", expect: { min_length: "9" } },
    'fail: unexpected reply "whatever" of 8 bytes, expected at least 9',
  ],
  [
    "a reply with one byte too many",
    () => udpServer(say("pong 17")),
    { send: "ping", expect: { text: "pong", max_length: "6" } },
    'fail: unexpected reply "pong 17" of 7 bytes, expected at most 6',
  ],
  [
    "a reply that begins right and is too short",
    () => udpServer(say("pong")),
    { send: "ping", expect: { hex: "70xx 6e", min_length: "5", max_length: "512" } },
    'fail: unexpected reply "pong" of 4 bytes, expected 5 to 512',
  ],
  [
    "a reply of the right length that begins wrong",
    () => udpServer(say("nope")),
    { send: "ping", expect: { text: "p", min_length: "4" } },
    'fail: unexpected reply "nope" of 4 bytes',
  ],
  [
    "an empty reply where any will do",
    () => udpServer(say("")),
    { send: "ping", expect: { min_length: "0" } },
    "pass: expected reply",
  ],
  [
    "the largest datagram there is",
    () => udpServer((_d, from, server) => server.send(Buffer.alloc(65_507, "x"), from.port, from.address)),
    { send: "ping", expect: { text: "x", min_length: "65507" } },
    "pass: expected reply",
  ],
  ["a wrong reply and then the right one", () => udpServer(say("nope", "pong")), ping, "pass: expected reply"],
  ["many right ones", () => udpServer(say("pong", "pong", "pong", "pong")), ping, "pass: expected reply"],
  ["a reply to the second datagram only", () => udpServer(nth(2, say("pong"))), ping, "pass: expected reply"],
  ["a reply to the third datagram only", () => udpServer(nth(3, say("pong"))), ping, "pass: expected reply"],
  ["no reply", () => udpServer(() => {}), ping, "fail: timed out after 300ms waiting for the reply"],
  ["a late reply", () => udpServer(later(400, say("pong"))), ping, "fail: timed out after 300ms waiting for the reply"],
  ["nobody there", () => nobodyOnUdp(), ping, "fail: port unreachable (ICMP)"],
  ["silence that is as it should be", () => udpServer(() => {}), syslog, "pass: no refusal within 300ms"],
  ["an answer where none is needed", () => udpServer(say("?")), syslog, "pass: a reply"],
  ["nobody there, where no answer is needed", () => nobodyOnUdp(), syslog, /^fail: port unreachable \(ICMP\)/],
];

describe("a udp probe meets", () => {
  testEach(udpProbe, cases, /300ms|unexpected|datagram only/);

  test("the right reply from another port, which the kernel keeps from us", async () => {
    const elsewhere = createSocket("udp4");
    await using server = await udpServer((_datagram, from) => elsewhere.send("pong", from.port, from.address));
    assert.equal(
      line(await probeOnce(udpProbe, target(server.port, 100), ping)),
      "fail: timed out after 100ms waiting for the reply",
    );
    elsewhere.close();
  });
});

test("a hundred probes of each leave no descriptor open", () =>
  manyOfEach(
    udpProbe,
    // Those share a server that counts, or are put off because of the refusals of others.
    cases.filter(([what]) => !/datagram only|silence/.test(what)),
    /timed out|unexpected/,
  ));

test("a hundred silences leave no descriptor open", async () => {
  const host = newHost();
  await using server = await udpServer(() => {}, host);
  const prober = open(udpProbe, target(server.port, 300, host), syslog);
  await leavesNothing([{ server, probers: [prober], timeout: 5 }], 100);
  prober.close();
});

describe("datagrams", () => {
  test("go out at once and after one and two thirds of the timeout", async () => {
    const times: number[] = [];
    await using server = await udpServer(() => times.push(performance.now()));
    await probeOnce(udpProbe, target(server.port, 600), ping);
    const since = times.map((time) => Math.round((time - times[0]!) / 200));
    assert.deepEqual(since, [0, 1, 2]);
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.equal(times.length, 3);
  });

  test("go out no more once there is a reply", async () => {
    await using server = await udpServer(nth(1, say("pong")));
    const prober = open(udpProbe, target(server.port, 150), ping);
    await probe(prober, 150);
    await new Promise((resolve) => setTimeout(resolve, 200));
    prober.close();
    assert.equal(server.seen(), 1);
  });

  test("go out once where no answer is needed", async () => {
    await using server = await udpServer(() => {});
    await probeOnce(udpProbe, target(server.port, 100), syslog);
    for (let waited = 0; waited < 1000 && server.seen() === 0; waited += 10)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(server.seen(), 1);
  });

  test("come from one port as long as every one of them is answered, and from another after that", async () => {
    const ports: number[] = [];
    let mute = false;
    await using server = await udpServer((datagram, from, socket, count) => {
      ports.push(from.port);
      if (!mute) say("pong")(datagram, from, socket, count);
    });
    const prober = open(udpProbe, target(server.port, 600), ping);
    for (let i = 0; i < 5; i++) await probe(prober, 600);
    assert.equal(new Set(ports).size, 1);
    mute = true;
    await probe(prober, 600);
    assert.equal(new Set(ports).size, 1);
    mute = false;
    assert.equal(line(await probe(prober, 600)), "pass: expected reply");
    assert.equal(new Set(ports).size, 2);
    prober.close();
  });

  test("come from the source address", async () => {
    let source = "";
    await using server = await udpServer((datagram, from, socket, count) => {
      source = from.address;
      say("pong")(datagram, from, socket, count);
    });
    const outcome = await probeOnce(udpProbe, target(server.port, 2000, "127.0.0.1", "127.0.0.9"), ping);
    assert.deepEqual([line(outcome), source], ["pass: expected reply", "127.0.0.9"]);
  });

  test("a source address that is not ours says nothing about the server, and is tried again", async () => {
    await using server = await udpServer(say("pong"));
    const prober = open(udpProbe, target(server.port, 2000, "127.0.0.1", "192.0.2.1"), ping);
    for (let i = 0; i < 3; i++)
      assert.equal(
        line(await probe(prober, 2000)),
        "inconclusive: the source address is not on this machine (EADDRNOTAVAIL)",
      );
    prober.close();
  });

  test("go over IPv6 too", async () => {
    await using server = await udpServer(say("pong"), "::1");
    assert.equal(line(await probeOnce(udpProbe, target(server.port, 2000, "::1"), ping)), "pass: expected reply");
    await using nobody = await nobodyOnUdp("::1");
    assert.equal(
      line(await probeOnce(udpProbe, target(nobody.port, 2000, "::1"), ping)),
      "fail: port unreachable (ICMP)",
    );
  });
});

test("a reply that comes after the deadline does not answer the next probe, however often", async () => {
  await using server = await udpServer(later(120, say("pong")));
  const prober = open(udpProbe, target(server.port, 100), ping);
  for (let i = 0; i < 8; i++)
    assert.equal(line(await probe(prober, 100)), "fail: timed out after 100ms waiting for the reply");
  prober.close();
});

test("the reply to a repeated datagram does not answer the next probe", async () => {
  // 150 ms is too slow for the first third of 300 ms: the probe is answered while a second datagram is on its way.
  let mute = false;
  await using server = await udpServer((datagram, from, socket, count) => {
    if (!mute) later(150, say("pong"))(datagram, from, socket, count);
  });
  const prober = open(udpProbe, target(server.port, 300), ping);
  assert.equal(line(await probe(prober, 300)), "pass: expected reply");
  mute = true;
  assert.equal(line(await probe(prober, 300)), "fail: timed out after 300ms waiting for the reply");
  prober.close();
});

describe("where no answer is needed", () => {
  test("the second refusal within half a minute is decisive, the first is not", async () => {
    const host = newHost();
    await using nobody = await nobodyOnUdp(host);
    const prober = open(udpProbe, target(nobody.port, 200, host), syslog);
    const first = await probe(prober, 200);
    const second = await probe(prober, 200);
    prober.close();
    assert.deepEqual(first, { kind: "fail", reason: "port unreachable (ICMP)" });
    assert.deepEqual(second, {
      kind: "fail",
      reason: "port unreachable (ICMP), the second within 30s",
      decisive: true,
    });
  });

  test("a refusal where an answer is expected is an ordinary failure, each time", async () => {
    await using nobody = await nobodyOnUdp();
    const prober = open(udpProbe, target(nobody.port), ping);
    for (let i = 0; i < 3; i++)
      assert.deepEqual(await probe(prober, 2000), { kind: "fail", reason: "port unreachable (ICMP)" });
    prober.close();
  });

  /** A prober whose socket stands, and whose server has just gone. */
  async function bereft(): Promise<Prober> {
    const host = newHost();
    const server = await udpServer(say("hello"), host);
    const prober = open(udpProbe, target(server.port, 200, host), syslog);
    assert.equal(line(await probe(prober, 200)), "pass: a reply");
    await server.close();
    return prober;
  }

  test("a refusal that comes between two probes is the outcome of the next", async () => {
    const prober = await bereft();
    const hasty = await new Promise<string>((resolve) => {
      prober.start((outcome) => resolve(line(outcome)));
      prober.cancel();
    });
    assert.equal(hasty, "pass: no refusal within 200ms");
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(line(await probe(prober, 200)), "fail: port unreachable (ICMP)");
    prober.close();
  });

  test("a refusal that comes in place of sending the next datagram counts the same", async () => {
    const prober = await bereft();
    const second = await new Promise<string>((resolve) => {
      prober.start(() => {});
      prober.cancel();
      prober.start((outcome) => resolve(line(outcome)));
    });
    assert.equal(second, "fail: port unreachable (ICMP)");
    prober.close();
  });

  test("silence soon after a refusal says nothing, and a reply clears the doubt", async () => {
    const host = newHost();
    const nobody = await nobodyOnUdp(host);
    const prober = open(udpProbe, target(nobody.port, 50, host), syslog);
    assert.match(line(await probe(prober, 50)), /^fail: port unreachable/);
    await nobody.close();
    let mute = true;
    await using _server = await udpServer(
      (datagram, from, socket, count) => {
        if (!mute) say("hello")(datagram, from, socket, count);
      },
      host,
      nobody.port,
    );
    assert.equal(line(await probe(prober, 50)), "inconclusive: silence, but an ICMP refusal 1s ago: hosts ration them");
    mute = false;
    assert.equal(line(await probe(prober, 50)), "pass: a reply");
    mute = true;
    assert.equal(line(await probe(prober, 50)), "pass: no refusal within 50ms");
    prober.close();
  });

  test("silence says nothing while the host spends its refusals on other ports", async () => {
    const host = newHost();
    await using mute = await udpServer(() => {}, host);
    const prober = open(udpProbe, target(mute.port, 50, host), syslog);
    assert.equal(line(await probe(prober, 50)), "pass: no refusal within 50ms");
    for (let i = 0; i < 5; i++) {
      await using nobody = await nobodyOnUdp(host);
      assert.equal(
        line(await probeOnce(udpProbe, target(nobody.port, 50, host), syslog)),
        "fail: port unreachable (ICMP)",
      );
    }
    assert.equal(
      line(await probe(prober, 50)),
      "inconclusive: silence, but the host has used up its ration of ICMP refusals on others",
    );
    prober.close();
  });

  test("the datagram goes out at ever other times where a host is refusing others", async () => {
    const host = newHost();
    let began = 0;
    const times: number[] = [];
    await using mute = await udpServer(() => times.push(performance.now() - began), host);
    await using nobody = await nobodyOnUdp(host);
    await probeOnce(udpProbe, target(nobody.port, 50, host), syslog);
    const prober = open(udpProbe, target(mute.port, 200, host), syslog);
    for (let i = 0; i < 6; i++) {
      began = performance.now();
      await probe(prober, 200);
    }
    prober.close();
    assert.equal(times.length, 6);
    const [first = 0, ...others] = times.toSorted((a, b) => a - b);
    assert.ok(others.at(-1)! - first > 40, `spread over the first half of the timeout, not ${times}`);
  });
});

test("the next probe may begin within the outcome of the last, in every state", async () => {
  await using server = await udpServer(say("pong"));
  await using nobody = await nobodyOnUdp();
  for (const [port, options] of [
    [server.port, ping],
    [nobody.port, ping],
    [nobody.port, syslog],
  ] as const) {
    const prober = open(udpProbe, target(port, 50), options);
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      const again = (): void =>
        prober.start((outcome) => {
          seen.push(outcome.kind);
          if (seen.length < 50) again();
          else resolve();
        });
      again();
    });
    prober.close();
    assert.equal(new Set(seen).size, 1, seen.join());
  }
});

test("after close no outcome comes any more", async () => {
  await using server = await udpServer(later(10, say("pong")));
  await using nobody = await nobodyOnUdp();
  for (const port of [server.port, nobody.port])
    for (const wait of [undefined, 0, 1]) {
      const prober = open(udpProbe, target(port), port === nobody.port ? syslog : ping);
      let outcomes = 0;
      prober.start(() => outcomes++);
      if (wait !== undefined) await new Promise((resolve) => setTimeout(resolve, wait));
      const before = outcomes;
      prober.close();
      prober.cancel();
      await new Promise((resolve) => setTimeout(resolve, 30));
      assert.equal(outcomes, before);
    }
});
