import assert from "node:assert/strict";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import { httpProbe } from "../../src/probe/http.ts";
import { type Case, check, line, manyOfEach, open, probe, probeOnce, target, testEach } from "../support/drive.ts";
import {
  closeWithoutReply,
  drip,
  flood,
  refuse,
  reply,
  replyAfter,
  resetOnAccept,
  stall,
  stallBeforeAccept,
  tcpServer,
} from "../support/nasty-server.ts";

type Options = Case[2];

/** An HTTP reply with its length. */
function http(status: string, body = "", ...headers: string[]): string {
  const lines = [`HTTP/1.1 ${status}`, ...headers, `Content-Length: ${Buffer.byteLength(body)}`];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

const answer =
  (...text: Parameters<typeof http>) =>
  () =>
    tcpServer(reply(http(...text)));
const raw =
  (text: string | Buffer, then: "stay" | "close" | "reset" = "stay") =>
  () =>
    tcpServer(reply(text, then));
const HEAD = "HTTP/1.1 200 OK\r\n";
const body = (expectation: Options, more: Options = {}): Options => ({ expect: { body: expectation }, ...more });
const big = "x".repeat(100_000);

const cases: readonly Case[] = [
  // Status
  ["200", answer("200 OK", "ok"), {}, "pass: status 200"],
  ["204 without a body", raw("HTTP/1.1 204 No Content\r\n\r\n"), {}, "pass: status 204"],
  ["503", answer("503 Service Unavailable", "down"), {}, "fail: status 503, expected 200-299"],
  [
    "a redirect, which is not followed",
    answer("302 Found", "", "Location: /elsewhere"),
    {},
    "fail: status 302, expected 200-299",
  ],
  [
    "a redirect that is expected",
    answer("302 Found", "", "Location: /elsewhere"),
    { expect: { status: ["200", "301-302"] } },
    "pass: status 302",
  ],
  [
    "404 where a list is expected",
    answer("404 Not Found"),
    { expect: { status: ["200", "301-302"] } },
    "fail: status 404, expected 200, 301-302",
  ],
  ["a status that a body of 100 kB follows", answer("500 Oops", big), {}, "fail: status 500, expected 200-299"],
  // 1xx
  [
    "103 before the reply",
    raw(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${http("200 OK", "ok")}`),
    {},
    "pass: status 200",
  ],
  ["102 and no reply", raw("HTTP/1.1 102 Processing\r\n\r\n"), {}, "fail: timed out after 300ms reading the headers"],
  [
    "100 that was not asked for",
    raw(`HTTP/1.1 100 Continue\r\n\r\n${http("200 OK")}`),
    {},
    "fail: status 100, which was not asked for",
  ],
  [
    "101",
    raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
    {},
    "fail: the reply changes the protocol (status 101)",
  ],
  // Bodies
  ["a body that contains", answer("200 OK", "all is well"), body({ contains: "is well" }), "pass: status 200"],
  [
    "a body that does not contain",
    answer("200 OK", "all is well"),
    body({ contains: "broken" }),
    'fail: body without "broken"',
  ],
  [
    "a body that matches",
    answer("200 OK", '{"status": "UP"}'),
    body({ regex: '"status":\\s*"UP"' }),
    "pass: status 200",
  ],
  ["a body that does not match", answer("200 OK", "DOWN"), body({ regex: "^UP$" }), "fail: body does not match /^UP$/"],
  [
    "a body of which one of two holds",
    answer("200 OK", "UP 1"),
    body({ contains: "UP", regex: "2" }),
    "fail: body does not match /2/",
  ],
  ["an empty body", answer("200 OK", ""), body({ contains: "ok" }), 'fail: body without "ok"'],
  [
    "chunks",
    raw(`${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nall \r\n2\r\nok\r\n0\r\n\r\n`),
    body({ contains: "all ok" }),
    "pass: status 200",
  ],
  [
    "chunks with trailers",
    raw(`${HEAD}Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: 1\r\n\r\n`),
    body({ contains: "ok" }),
    "pass: status 200",
  ],
  [
    "a body that ends with the connection",
    raw("HTTP/1.0 200 OK\r\n\r\nok", "close"),
    body({ contains: "ok" }),
    "pass: status 200",
  ],
  ["a long body, with nothing expected of it", answer("200 OK", big), {}, "pass: status 200"],
  [
    "100 MB, with nothing expected of them",
    () => tcpServer(flood(`${HEAD}Content-Length: 104857600\r\n\r\n`)),
    {},
    "pass: status 200",
  ],
  [
    "100 MB in which the word does not come",
    () => tcpServer(flood(`${HEAD}Content-Length: 104857600\r\n\r\n`)),
    body({ contains: "ok" }),
    'fail: first 64KiB of the body without "ok"',
  ],
  ["a word within the limit", answer("200 OK", `ok${big}`), body({ contains: "ok" }), "pass: status 200"],
  [
    "a word beyond the limit",
    answer("200 OK", `${big}ok`),
    body({ contains: "ok" }),
    'fail: first 64KiB of the body without "ok"',
  ],
  [
    "a word beyond the usual limit, with a higher one",
    answer("200 OK", `${big}ok`),
    body({ contains: "ok" }, { max_body: "1MiB" }),
    "pass: status 200",
  ],
  [
    "a body of just the limit",
    answer("200 OK", "0123456789"),
    body({ contains: "89" }, { max_body: "10" }),
    "pass: status 200",
  ],
  ["a HEAD request", raw(`${HEAD}Content-Length: 1000\r\n\r\n`), { method: "HEAD" }, "pass: status 200"],
  // Connections
  ["a port nobody listens on", () => refuse(), {}, "fail: connection refused"],
  ["SYNs that vanish", stallBeforeAccept, {}, "fail: timed out after 300ms while connecting"],
  ["silence", () => tcpServer(stall), {}, "fail: timed out after 300ms waiting for the reply"],
  [
    "a late reply",
    () => tcpServer(replyAfter(600, http("200 OK"))),
    {},
    "fail: timed out after 300ms waiting for the reply",
  ],
  [
    "a reset on accept",
    () => tcpServer(resetOnAccept),
    {},
    /^fail: connection reset (while connecting|waiting for the reply)$/,
  ],
  ["a close without a reply", () => tcpServer(closeWithoutReply), {}, "fail: connection closed without a reply"],
  ["a reset in the headers", raw(`${HEAD}Content-`, "reset"), {}, "fail: connection reset reading the headers"],
  [
    "a reset in the body",
    raw(`${HEAD}Content-Length: 10\r\n\r\nok`, "reset"),
    {},
    "fail: connection reset reading the body",
  ],
  ["a close in the headers", raw(`${HEAD}Content-`, "close"), {}, "fail: connection closed reading the headers"],
  [
    "a close in the body",
    raw(`${HEAD}Content-Length: 10\r\n\r\nok`, "close"),
    {},
    "fail: connection closed reading the body",
  ],
  [
    "a close in a chunk",
    raw(`${HEAD}Transfer-Encoding: chunked\r\n\r\n8\r\nok`, "close"),
    {},
    "fail: connection closed reading the body",
  ],
  [
    "headers that drip",
    () => tcpServer(drip(http("200 OK", "ok"), 100)),
    {},
    "fail: timed out after 300ms reading the headers",
  ],
  [
    "a body that drips",
    () => tcpServer(drip("x", 20, `${HEAD}Content-Length: 1000\r\n\r\n`)),
    {},
    "fail: timed out after 300ms reading the body",
  ],
  [
    "a chunked body that drips",
    () => tcpServer(drip("1\r\nx\r\n", 5, `${HEAD}Transfer-Encoding: chunked\r\n\r\n`)),
    {},
    "fail: timed out after 300ms reading the body",
  ],
  // Rubbish
  [
    "bytes that mean nothing",
    raw(Buffer.from("00ff10de8001", "hex")),
    {},
    /^fail: the reply is not HTTP\/1\.1 \(Expected HTTP/,
  ],
  ["another protocol", raw("220 mail.example.com ESMTP\r\n"), {}, /^fail: the reply is not HTTP\/1\.1/],
  [
    "an HTTP version that does not exist",
    raw("HTTP/7.3 200 OK\r\nContent-Length: 0\r\n\r\n"),
    {},
    /^fail: the reply is not HTTP\/1\.1 \(Invalid HTTP version\)/,
  ],
  ["a status that is no number", raw("HTTP/1.1 abc OK\r\n\r\n"), {}, /^fail: the reply is not HTTP\/1\.1 \(/],
  ["an endless header", () => tcpServer(flood(`${HEAD}X-Long: `)), {}, "fail: the headers are longer than 16KiB"],
  [
    "endless headers",
    raw(HEAD + "X-Filler: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(1000)),
    {},
    "fail: the headers are longer than 16KiB",
  ],
  [
    "two lengths that differ",
    raw(`${HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok`),
    {},
    "fail: the body is not as long as its content-length says",
  ],
  [
    "a length that is no number",
    raw(`${HEAD}Content-Length: many\r\n\r\nok`),
    {},
    /^fail: the reply is not HTTP\/1\.1 \(/,
  ],
  [
    "a chunk size that is no number",
    raw(`${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`),
    {},
    /^fail: the reply is not HTTP\/1\.1 \(/,
  ],
  ["a second reply nobody asked for", raw(http("200 OK", "ok") + http("500 Oops")), {}, "pass: status 200"],
  ["rubbish after the reply", raw(`${http("200 OK", "ok")}rubbish`), {}, "pass: status 200"],
];

describe("an http probe meets", () => {
  testEach(httpProbe, cases);
});

test("a hundred probes of each leave no descriptor open", () => manyOfEach(httpProbe, cases));

/** A server that keeps what it was sent, and the outcome of one probe of it. */
async function asked(
  options: Options,
  host = "127.0.0.1",
  source?: string,
): Promise<{ request: string; from: string }> {
  const seen = { request: "", from: "" };
  await using server = await tcpServer((socket) => {
    seen.from = socket.remoteAddress ?? "";
    socket.on("data", (chunk: Buffer) => {
      seen.request += chunk.toString("latin1");
      socket.write(http("200 OK"));
    });
  }, host);
  assert.equal(line(await probeOnce(httpProbe, target(server.port, 2000, host, source), options)), "pass: status 200");
  return { request: seen.request.replaceAll(String(server.port), "PORT"), from: seen.from };
}

describe("the request", () => {
  test("asks for / by default, as director, at the target's own address", async () => {
    const { request } = await asked({});
    assert.equal(
      request,
      "GET / HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\nconnection: keep-alive\r\nuser-agent: director\r\n\r\n",
    );
  });

  test("carries method, path, host and headers as they were configured", async () => {
    const { request } = await asked({
      method: "OPTIONS",
      path: "/ready?deep=1&q=%20",
      host: "www.example.com",
      headers: { "X-Probe": 'yes, "no"', "User-Agent": "check/2" },
    });
    assert.match(request, /^OPTIONS \/ready\?deep=1&q=%20 HTTP\/1.1\r\nhost: www.example.com\r\n/);
    assert.match(request, /\r\nX-Probe: yes, "no"\r\n/);
    assert.match(request, /\r\nUser-Agent: check\/2\r\n/);
    assert.doesNotMatch(request, /director/);
  });

  test("names an IPv6 target in brackets", async () => {
    const { request } = await asked({}, "::1");
    assert.match(request, /\r\nhost: \[::1\]:PORT\r\n/);
  });

  test("comes from the source address", async () => {
    assert.equal((await asked({}, "127.0.0.1", "127.0.0.9")).from, "127.0.0.9");
  });

  test("a source address that is not ours says nothing about the server", async () => {
    await using server = await tcpServer(reply(http("200 OK")));
    assert.equal(
      line(await probeOnce(httpProbe, target(server.port, 2000, "127.0.0.1", "192.0.2.1"))),
      "inconclusive: the source address is not on this machine (EADDRNOTAVAIL)",
    );
  });
});

test("text beyond ASCII is found even where the network splits it", async () => {
  const text = Buffer.from("état: prêt");
  await using server = await tcpServer((socket) => {
    socket.setNoDelay(true);
    socket.once("data", () => {
      socket.write(`${HEAD}Content-Length: ${text.length}\r\n\r\n`);
      for (const [i, byte] of text.entries()) setTimeout(() => socket.write(Buffer.of(byte)), i * 2);
    });
  });
  for (const expectation of [{ contains: "prêt" }, { regex: "^état: .rêt$" }])
    assert.equal(line(await probeOnce(httpProbe, target(server.port), body(expectation))), "pass: status 200");
});

describe("connections", () => {
  const ok = http("200 OK", "ok");

  test("each probe has its own, closed in an orderly way", async () => {
    await using server = await tcpServer(reply(ok));
    const prober = open(httpProbe, target(server.port));
    for (let i = 0; i < 20; i++) assert.equal(line(await probe(prober, 2000)), "pass: status 200");
    prober.close();
    assert.equal(server.seen(), 20);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(server.resets(), 0);
  });

  test("reuse_connection keeps one", async () => {
    await using server = await tcpServer(reply(ok));
    const prober = open(httpProbe, target(server.port), { reuse_connection: "true" });
    for (let i = 0; i < 20; i++) assert.equal(line(await probe(prober, 2000)), "pass: status 200");
    prober.close();
    assert.equal(server.seen(), 1);
  });

  test("reuse_connection keeps it through failing replies that are whole, and lets go of one whose rest is still owed", async () => {
    let answer = http("503 Service Unavailable", "down");
    await using server = await tcpServer((socket) => {
      socket.on("data", () => socket.write(answer));
    });
    const prober = open(httpProbe, target(server.port), { reuse_connection: "true" });
    for (let i = 0; i < 5; i++) assert.match(line(await probe(prober, 2000)), /^fail: status 503/);
    answer = ok;
    assert.equal(line(await probe(prober, 2000)), "pass: status 200");
    assert.equal(server.seen(), 1);
    answer = "HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nthe rest never comes";
    assert.match(line(await probe(prober, 2000)), /^fail: status 500/);
    answer = ok;
    assert.equal(line(await probe(prober, 2000)), "pass: status 200");
    assert.equal(server.seen(), 2);
    prober.close();
  });

  test("the rest of a failing reply is read as far as a body is, and no further", async () => {
    let ended = false;
    await using server = await tcpServer((socket) => {
      socket.on("data", () => socket.write("HTTP/1.1 500 Oops\r\nContent-Length: 1000000\r\n\r\n"));
      const timer = setInterval(() => socket.write("x".repeat(100)), 2);
      socket.on("close", () => {
        clearInterval(timer);
        ended = true;
      });
    });
    const prober = open(httpProbe, target(server.port), { max_body: "1KiB" });
    assert.match(line(await probe(prober, 2000)), /^fail: status 500/);
    for (let waited = 0; !ended && waited < 5_000; waited += 10)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.ok(ended, "the connection still stands");
    prober.close();
  });

  test("undici's connections share one getter: the reason is in src/probe/undici.ts", () => {
    const source = createRequire(import.meta.url)("undici/lib/dispatcher/client-h1.js").toString();
    assert.match(source, /__proto__: sharedByAllConnections/);
  });

  const closings: readonly (readonly [string, (socket: Socket) => void])[] = [
    ["closes", (socket) => socket.end()],
    ["resets", (socket) => socket.resetAndDestroy()],
  ];
  for (const [verb, close] of closings) {
    test(`a kept connection that the server ${verb} between probes is no failure`, async () => {
      await using server = await tcpServer((socket) => {
        socket.on("data", () => socket.write(ok, () => setTimeout(() => close(socket), 10)));
      });
      const prober = open(httpProbe, target(server.port), { reuse_connection: "true" });
      for (let i = 0; i < 10; i++) {
        assert.equal(line(await probe(prober, 2000)), "pass: status 200");
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      prober.close();
      assert.equal(server.seen(), 10);
    });

    test(`a kept connection that the server ${verb} at any moment between probes is no failure`, async () => {
      await using server = await tcpServer((socket) => {
        socket.on("data", () => socket.write(ok, () => setTimeout(() => close(socket), 3)));
      });
      const prober = open(httpProbe, target(server.port), { reuse_connection: "true" });
      for (let i = 0; i < 200; i++) {
        assert.equal(line(await probe(prober, 2000)), "pass: status 200");
        const until = performance.now() + 2.5 + (i % 20) / 20;
        // Busy, so that the closing and the next probe meet in the same turn of the loop.
        while (performance.now() < until) if (i % 2 === 0) await new Promise(setImmediate);
      }
      prober.close();
    });

    test(`a kept connection that the server ${verb} as it is asked again is tried once more over a new one`, async () => {
      await using server = await tcpServer((socket) => {
        socket.once("data", () => {
          socket.write(ok);
          socket.once("data", () => close(socket));
        });
      });
      const prober = open(httpProbe, target(server.port), { reuse_connection: "true" });
      for (let i = 0; i < 10; i++) assert.equal(line(await probe(prober, 2000)), "pass: status 200");
      prober.close();
      assert.equal(server.seen(), 10);
    });
  }

  test("a server that closes every connection unanswered fails, kept connection or not", async () => {
    let healthy = true;
    await using server = await tcpServer((socket) => {
      socket.on("data", () => (healthy ? socket.write(ok) : socket.end()));
    });
    const prober = open(httpProbe, target(server.port), { reuse_connection: "true" });
    assert.equal(line(await probe(prober, 2000)), "pass: status 200");
    healthy = false;
    assert.equal(line(await probe(prober, 2000)), "fail: connection closed without a reply");
    healthy = true;
    assert.equal(line(await probe(prober, 2000)), "pass: status 200");
    prober.close();
  });

  test("the second try has no more time than the first left over", async () => {
    let healthy = true;
    await using server = await tcpServer((socket, nth) => {
      socket.on("data", () => {
        if (healthy) socket.write(ok);
        else if (nth === 1) setTimeout(() => socket.end(), 150);
      });
    });
    const prober = open(httpProbe, target(server.port, 300), { reuse_connection: "true" });
    await probe(prober, 300);
    healthy = false;
    const began = performance.now();
    assert.equal(line(await probe(prober, 300)), "fail: timed out after 300ms waiting for the reply");
    assert.ok(performance.now() - began < 400);
    prober.close();
    assert.equal(server.seen(), 2);
  });
});

test("the next probe may begin within the outcome of the last, whatever that was", async () => {
  for (const [what, start, options, expected] of cases) {
    if (/timed out/.test(String(expected))) continue;
    for (const reuse of ["false", "true"]) {
      await using server = await start();
      const prober = open(httpProbe, target(server.port), { ...options, reuse_connection: reuse });
      const seen: string[] = [];
      await new Promise<void>((resolve) => {
        const again = (): void =>
          prober.start((outcome) => {
            seen.push(line(outcome));
            if (seen.length < 5) again();
            else resolve();
          });
        again();
      });
      prober.close();
      for (const one of seen) check(one, expected);
      assert.equal(seen.length, 5, what);
    }
  }
});

test("a deadline in any state leaves nothing that could answer the next probe", async () => {
  await using server = await tcpServer(replyAfter(60, http("200 OK")));
  await using swallowing = await stallBeforeAccept();
  for (const { port } of [server, swallowing])
    for (const reuse of ["false", "true"]) {
      const prober = open(httpProbe, target(port, 30), { reuse_connection: reuse });
      // At once, in the same turn, then ever later, up to the middle of the reply's way.
      for (const wait of [undefined, 0, 1, 2, 5, 10, 30]) {
        const outcome = await new Promise<string>((resolve) => {
          let calls = 0;
          prober.start((o) => {
            calls += 1;
            assert.equal(calls, 1);
            resolve(line(o));
          });
          if (wait === undefined) prober.cancel();
          else setTimeout(() => prober.cancel(), wait);
        });
        assert.match(outcome, /^fail: timed out after 30ms (while connecting|waiting for the reply)$/);
      }
      prober.close();
    }
});

test("after close no outcome comes any more", async () => {
  for (const wait of [undefined, 0, 5, 30]) {
    await using server = await tcpServer(replyAfter(15, http("200 OK")));
    const prober = open(httpProbe, target(server.port));
    let outcomes = 0;
    prober.start(() => outcomes++);
    if (wait !== undefined) await new Promise((resolve) => setTimeout(resolve, wait));
    const before = outcomes;
    prober.close();
    prober.cancel();
    await new Promise((resolve) => setTimeout(resolve, 40));
    assert.equal(outcomes, before);
  }
});
