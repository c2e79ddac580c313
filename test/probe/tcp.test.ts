import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { reachedItself } from "../../src/probe/connector.ts";
import { tcpProbe } from "../../src/probe/tcp.ts";
import { certificate } from "../support/certificates.ts";
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
import {
  closeWithoutReply,
  drip,
  flood,
  greet,
  refuse,
  reply,
  replyAfter,
  resetOnAccept,
  stall,
  stallBeforeAccept,
  tcpServer,
  tlsServer,
} from "../support/nasty-server.ts";

const ping = { send: "PING\r\n", expect: "+PONG" };

const cases: readonly Case[] = [
  ["a listening port", () => tcpServer(stall), {}, "pass: connected"],
  ["a listening port, closed by a reset", () => tcpServer(stall), { close: "reset" }, "pass: connected"],
  ["a port nobody listens on", () => refuse(), {}, "fail: connection refused"],
  ["SYNs that vanish", stallBeforeAccept, {}, "fail: timed out after 300ms while connecting"],
  ["the expected reply", () => tcpServer(reply("+PONG\r\n")), ping, "pass: expected reply"],
  [
    "the expected reply, as hex",
    () => tcpServer(reply("+PONG")),
    { send: { hex: "01" }, expect: { hex: "2b5x 4F" } },
    "pass: expected reply",
  ],
  ["a greeting", () => tcpServer(greet("220 mail ready\r\n")), { expect: { text: "220 " } }, "pass: expected reply"],
  ["something to send and nothing to expect", () => tcpServer(stall), { send: "QUIT\r\n" }, "pass: connected"],
  ["a reply in two pieces", () => tcpServer(drip("+PONG", 20)), ping, "pass: expected reply"],
  [
    "a reply that drips too slowly",
    () => tcpServer(drip("+PONG", 100)),
    ping,
    "fail: timed out after 300ms waiting for the reply",
  ],
  [
    "a reply that comes too late",
    () => tcpServer(replyAfter(600, "+PONG")),
    ping,
    "fail: timed out after 300ms waiting for the reply",
  ],
  ["no reply", () => tcpServer(stall), ping, "fail: timed out after 300ms waiting for the reply"],
  [
    "a wrong reply",
    () => tcpServer(reply("-ERR no\r\n")),
    ping,
    String.raw`fail: unexpected reply "-ERR no\r\n" of 9 bytes`,
  ],
  [
    "a wrong reply in binary",
    () => tcpServer(reply(Buffer.from("00ff10", "hex"))),
    ping,
    "fail: unexpected reply hex 00ff10 of 3 bytes",
  ],
  ["endless rubbish", () => tcpServer(flood("")), ping, /^fail: unexpected reply "x{24}"… of \d+ bytes$/],
  ["a close instead of a reply", () => tcpServer(closeWithoutReply), ping, "fail: connection closed without a reply"],
  [
    "a close in the middle of the reply",
    () => tcpServer(reply("+PO", "close")),
    ping,
    'fail: connection closed after "+PO" of 3 bytes',
  ],
  [
    "a reset on accept",
    () => tcpServer(resetOnAccept),
    ping,
    /^fail: connection reset (while connecting|waiting for the reply)$/,
  ],
  [
    "a reset in the middle of the reply",
    () => tcpServer(reply("+PO", "reset")),
    ping,
    "fail: connection reset waiting for the reply",
  ],
];

describe("a tcp probe meets", () => {
  testEach(tcpProbe, cases);
});

test("a hundred probes of each leave no descriptor open", () => manyOfEach(tcpProbe, cases));

describe("over TLS, a tcp probe meets", () => {
  const root = certificate({ subject: "Test Root", authority: true });
  const mail = certificate({ subject: "mail.example.com", names: ["mail.example.com", "127.0.0.1"], issuer: root });
  const folder = mkdtempSync(join(tmpdir(), "director-tcp-"));
  const ca = join(folder, "ca.pem");
  writeFileSync(ca, root.cert);
  after(() => rmSync(folder, { recursive: true }));
  const tls = { tls: "true", ca };
  const over: readonly Case[] = [
    [
      "a certificate that is right",
      () => tlsServer(mail, stall),
      { ...tls, sni: "mail.example.com" },
      "pass: connected",
    ],
    ["the target's own address in it", () => tlsServer(mail, stall), tls, "pass: connected"],
    [
      "another name in it",
      () => tlsServer(mail, stall),
      { ...tls, sni: "imap.example.com" },
      "fail: certificate is for mail.example.com, 127.0.0.1, not for imap.example.com",
    ],
    [
      "an unknown issuer",
      () => tlsServer(mail, stall),
      { tls: "true" },
      'fail: certificate issued by "Test Root", which is not trusted here',
    ],
    ["whatever, unverified", () => tlsServer(mail, stall), { tls: "true", verify: "false" }, "pass: connected"],
    [
      "the expected greeting",
      () => tlsServer(mail, greet("220 ready\r\n")),
      { ...tls, expect: "220 " },
      "pass: expected reply",
    ],
    ["the expected reply", () => tlsServer(mail, reply("+PONG\r\n")), { ...tls, ...ping }, "pass: expected reply"],
    [
      "no reply",
      () => tlsServer(mail, stall),
      { ...tls, ...ping },
      "fail: timed out after 300ms waiting for the reply",
    ],
    ["silence in the handshake", () => tcpServer(stall), tls, "fail: timed out after 300ms in TLS handshake"],
    [
      "a server without TLS",
      () => tcpServer(greet("220 ready\r\n")),
      tls,
      "fail: TLS handshake failed: the answer is not TLS (a plain HTTP port?)",
    ],
    ["nobody", () => refuse(), tls, "fail: connection refused"],
  ];
  testEach(tcpProbe, over);
  test("and a hundred of each leave no descriptor open", () => manyOfEach(tcpProbe, over));
});

for (const [how, resets] of [
  ["fin", "none"],
  ["reset", "all"],
] as const)
  test(`close: ${how}: ${resets} of the connections end with a reset, though the server never closes its side`, async () => {
    await using server = await tcpServer(stall);
    const prober = open(tcpProbe, target(server.port), { close: how });
    await leavesNothing([{ server, probers: [prober], timeout: 2000 }], 100);
    prober.close();
    for (let i = 0; i < 100 && server.held() > 0 && how === "reset"; i++) await new Promise((go) => setTimeout(go, 20));
    assert.equal(server.seen(), 100);
    assert.equal(server.resets(), resets === "none" ? 0 : 100);
  });

test("the next probe may begin within the outcome of the last, in every state", async () => {
  await using server = await tcpServer(stall);
  await using dead = await refuse();
  for (const port of [server.port, dead.port]) {
    const prober = open(tcpProbe, target(port));
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      const again = (): void =>
        prober.start((outcome) => {
          seen.push(line(outcome));
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
  await using server = await tcpServer(stall);
  for (const when of ["at once", "connecting", "waiting"]) {
    const prober = open(tcpProbe, target(server.port), ping);
    let outcomes = 0;
    prober.start(() => outcomes++);
    if (when === "connecting") await new Promise(process.nextTick);
    if (when === "waiting") await new Promise((resolve) => setTimeout(resolve, 50));
    prober.close();
    prober.cancel();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(outcomes, 0, when);
  }
});

test("a reply that arrives after the deadline does not answer the next probe", async () => {
  await using server = await tcpServer(replyAfter(120, "+PONG"));
  const prober = open(tcpProbe, target(server.port, 100), ping);
  const seen: string[] = [];
  for (let i = 0; i < 5; i++) seen.push(line(await probe(prober, 100)));
  prober.close();
  assert.deepEqual(new Set(seen), new Set(["fail: timed out after 100ms waiting for the reply"]));
});

describe("where the probe comes from", () => {
  test("a source address of this machine is used", async () => {
    let from: string | undefined;
    await using server = await tcpServer((socket) => {
      from = socket.remoteAddress;
    });
    assert.equal(
      line(await probeOnce(tcpProbe, target(server.port, 2000, "127.0.0.1", "127.0.0.9"))),
      "pass: connected",
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(from, "127.0.0.9");
  });

  test("a source address that is not ours says nothing about the server", async () => {
    await using server = await tcpServer(stall);
    assert.equal(
      line(await probeOnce(tcpProbe, target(server.port, 2000, "127.0.0.1", "192.0.2.1"))),
      "inconclusive: the source address is not on this machine (EADDRNOTAVAIL)",
    );
  });

  test("IPv6", async () => {
    await using server = await tcpServer(stall, "::1");
    assert.equal(line(await probeOnce(tcpProbe, target(server.port, 2000, "::1"))), "pass: connected");
  });
});

test("a connection that has met itself, since nobody listens, is told from one to somebody", async () => {
  await using server = await tcpServer(stall);
  const somebody = connect({ host: "127.0.0.1", port: server.port });
  await once(somebody, "connect");
  assert.equal(reachedItself(somebody), false);
  somebody.resetAndDestroy();
  await once(somebody, "close");
  const itself = await selfConnected();
  assert.equal(reachedItself(itself), true);
  itself.destroy();
});

/** A connection from a free port to that very port; another one where somebody else was quicker to take it. */
async function selfConnected(tries = 5): Promise<Socket> {
  const held = createServer().listen(0, "127.0.0.1");
  await once(held, "listening");
  const { port } = held.address() as AddressInfo;
  held.close();
  await once(held, "close");
  const itself = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.1", localPort: port });
  try {
    await once(itself, "connect");
    return itself;
  } catch (error) {
    if (tries === 1) throw error;
    return selfConnected(tries - 1);
  }
}
