import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createSecureServer, type Http2ServerRequest, type IncomingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { httpsProbe } from "../../src/probe/http.ts";
import { certificate } from "../support/certificates.ts";
import { type Case, line, manyOfEach, open, probe, probeOnce, target, testEach } from "../support/drive.ts";
import { data, frame, goaway, h2, headers, reset, settings } from "../support/h2-frames.ts";
import { type Behaviour, type NastyServer, reply, tcpServer, tlsServer } from "../support/nasty-server.ts";

const folder = mkdtempSync(join(tmpdir(), "director-h2-"));
after(() => rmSync(folder, { recursive: true }));
const root = certificate({ subject: "Test Root", authority: true });
const www = certificate({ subject: "www.example.com", names: ["www.example.com"], issuer: root });
const ca = join(folder, "ca.pem");
writeFileSync(ca, root.cert);

const two = { ca, host: "www.example.com", version: "2" };

function speaking(behave: Behaviour, protocols: readonly string[] = ["h2"]): () => Promise<NastyServer> {
  return () => tlsServer({ ...www, ...(protocols.length > 0 && { ALPNProtocols: [...protocols] }) }, behave);
}

/** What each request is answered with. */
function answering(...frames: ((stream: number) => Buffer)[]): () => Promise<NastyServer> {
  return speaking(h2((socket, stream) => socket.write(Buffer.concat(frames.map((make) => make(stream))))));
}

const ok = (stream: number): Buffer => Buffer.concat([headers(stream, 200), data(stream, "ok", true)]);
const started = (stream: number): Buffer => Buffer.concat([headers(stream, 200), data(stream, "o")]);
const CANCEL = 8;
const REFUSED = 7;
const NO_ERROR = 0;
const INTERNAL = 2;

const cases: readonly Case[] = [
  ["a right reply", answering(ok), two, "pass: status 200"],
  ["a reply without body", answering((s) => headers(s, 204, true)), two, "pass: status 204"],
  ["the expected body", answering(ok), { ...two, expect: { body: { contains: "ok" } } }, "pass: status 200"],
  ["another body", answering(ok), { ...two, expect: { body: { contains: "ready" } } }, 'fail: body without "ready"'],
  ["a wrong status", answering((s) => headers(s, 503, true)), two, "fail: status 503, expected 200-299"],
  ["103 and then 200", answering((s) => headers(s, 103), ok), two, "pass: status 200"],
  [
    "h2 and http/1.1",
    speaking(
      h2((socket, s) => socket.write(ok(s))),
      ["http/1.1", "h2"],
    ),
    two,
    "pass: status 200",
  ],
  [
    "HTTP/1.1 alone",
    speaking(reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), ["http/1.1"]),
    two,
    "fail: TLS handshake failed: the server does not speak h2",
  ],
  [
    "no protocol at all",
    speaking(reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), []),
    two,
    "fail: the server does not speak HTTP/2, it chose no protocol (ALPN)",
  ],
  [
    "HTTP/2 alone where HTTP/1.1 is asked for",
    answering(ok),
    { ...two, version: "1.1" },
    "fail: TLS handshake failed: the server does not speak http/1.1",
  ],
  [
    "HTTP/1.1 behind h2",
    speaking(reply("HTTP/1.1 400 Bad Request\r\n\r\n")),
    two,
    /^fail: the reply is not HTTP\/2 \(/,
  ],
  ["a reply and a farewell before it", answering((s) => goaway(s, NO_ERROR), ok), two, "pass: status 200"],
  [
    "a farewell amid the body",
    answering(
      started,
      (s) => goaway(s, NO_ERROR),
      (s) => data(s, "k", true),
    ),
    two,
    "pass: status 200",
  ],
  [
    "a farewell that leaves the request out",
    answering(() => goaway(0, NO_ERROR)),
    two,
    /^fail: (connection closed without a reply|the server reset the stream waiting for the reply \(REFUSED_STREAM\))$/,
  ],
  [
    "a farewell in anger",
    answering(() => goaway(0, INTERNAL)),
    two,
    "fail: the server gave up the connection waiting for the reply (GOAWAY INTERNAL_ERROR)",
  ],
  [
    "a farewell in anger amid the body",
    answering(started, (s) => goaway(s, INTERNAL)),
    two,
    "fail: the server gave up the connection reading the body (GOAWAY INTERNAL_ERROR)",
  ],
  [
    "a stream refused",
    answering((s) => reset(s, REFUSED)),
    two,
    "fail: the server reset the stream waiting for the reply (REFUSED_STREAM)",
  ],
  [
    "a stream cancelled",
    answering((s) => reset(s, CANCEL)),
    two,
    "fail: the server reset the stream waiting for the reply (CANCEL)",
  ],
  [
    "a stream cancelled amid the body",
    answering(started, (s) => reset(s, CANCEL)),
    two,
    "fail: the server reset the stream reading the body (CANCEL)",
  ],
  [
    "a close amid the body",
    speaking(h2((socket, s) => socket.end(started(s)))),
    two,
    "fail: connection closed reading the body",
  ],
  [
    "a close in place of a reply",
    speaking(h2((socket) => socket.end())),
    two,
    "fail: connection closed without a reply",
  ],
  [
    "a connection torn down amid the body",
    speaking(
      h2((socket, s) => {
        socket.write(started(s));
        setTimeout(() => socket.destroy(), 50);
      }),
    ),
    two,
    /^fail: connection (reset|closed) reading the body$/,
  ],
  [
    "frames of nobody's stream",
    answering(() => data(99, "x")),
    two,
    /^fail: (the reply is not HTTP\/2|the server gave up)/,
  ],
  [
    "a header block that cannot be decoded",
    answering((s) => frame("headers", 5, s, Buffer.from("ffffffff", "hex"))),
    two,
    /^fail: (the reply is not HTTP\/2|the server reset|the server gave up|connection closed)/,
  ],
  [
    "a body that is not as long as announced",
    answering((s) =>
      Buffer.concat([
        // content-length (28 of the static table): 5
        frame("headers", 4, s, Buffer.concat([Buffer.of(0x88, 0x0f, 0x0d, 1), Buffer.from("5")])),
        data(s, "ok", true),
      ]),
    ),
    two,
    /^fail: (the reply is not HTTP\/2|the server reset the stream reading the body|the server reset the stream waiting)/,
  ],
  ["no settings, no reply", speaking(() => {}), two, "fail: timed out after 300ms waiting for the reply"],
  ["settings and no reply", speaking(h2(() => {})), two, "fail: timed out after 300ms waiting for the reply"],
  [
    "a body that drips",
    speaking(
      h2((socket, s) => {
        socket.write(headers(s, 200));
        const timer = setInterval(() => socket.write(data(s, "x")), 20);
        socket.on("close", () => clearInterval(timer));
      }),
    ),
    two,
    "fail: timed out after 300ms reading the body",
  ],
  [
    "settings and pings for ever",
    speaking(
      h2((socket) => {
        const more = (): void => {
          while (socket.write(Buffer.concat([settings, frame("ping", 0, 0, Buffer.alloc(8))])));
          socket.once("drain", more);
        };
        more();
      }),
    ),
    two,
    /^fail: (timed out after 300ms waiting for the reply|the reply is not HTTP\/2|the server|connection)/,
  ],
  [
    "a port that is not TLS",
    () => tcpServer(reply("SSH-2.0-OpenSSH_9.2\r\n")),
    two,
    "fail: TLS handshake failed: the answer is not TLS (a plain HTTP port?)",
  ],
];

describe("an https probe of version 2 meets", () => {
  testEach(httpsProbe, cases);
});

/** The ways in which a connection may end. */
const endings = new Set([
  "a right reply",
  "a wrong status",
  "HTTP/1.1 behind h2",
  "a farewell amid the body",
  "a farewell in anger",
  "a stream cancelled amid the body",
  "a connection torn down amid the body",
  "a body that drips",
]);
const ending = cases.filter(([what]) => endings.has(what));

test("a hundred probes of each ending leave no descriptor open", () => manyOfEach(httpsProbe, ending));

test("nor do they over kept connections", () => {
  const keeping = ending.map(([what, server, options, outcome]): Case => {
    return [what, server, { ...options, reuse_connection: "true" }, outcome];
  });
  return manyOfEach(httpsProbe, keeping);
});

describe("of a real server", () => {
  interface Seen {
    readonly headers: IncomingHttpHeaders;
    readonly body: string;
  }

  async function realServer(): Promise<AsyncDisposable & { port: number; seen: Seen[]; sessions: () => number }> {
    const seen: Seen[] = [];
    let sessions = 0;
    const server = createSecureServer({ ...www }, async (request: Http2ServerRequest, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      seen.push({ headers: request.headers, body });
      response.end("ok");
    });
    server.on("session", () => {
      sessions += 1;
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
      port: (server.address() as AddressInfo).port,
      seen,
      sessions: () => sessions,
      async [Symbol.asyncDispose]() {
        server.close();
        await once(server, "close");
      },
    };
  }

  test("method, path, authority, headers and body arrive as they are written", async () => {
    await using server = await realServer();
    const options = { ...two, method: "POST", path: "/ready?x=1", headers: { "X-Probe": "Yes" }, body: "ping" };
    assert.equal(line(await probeOnce(httpsProbe, target(server.port), options)), "pass: status 200");
    const [{ headers, body } = { headers: {}, body: "" }] = server.seen;
    assert.deepEqual(
      [headers[":method"], headers[":path"], headers[":authority"], headers[":scheme"], headers["x-probe"], body],
      ["POST", "/ready?x=1", "www.example.com", "https", "Yes", "ping"],
    );
    assert.equal(headers["user-agent"], "director");
  });

  test("without a host the authority is the target's address and port", async () => {
    await using server = await realServer();
    const options = { version: "2", verify: "false" };
    assert.equal(line(await probeOnce(httpsProbe, target(server.port), options)), "pass: status 200");
    assert.equal(server.seen[0]?.headers[":authority"], `127.0.0.1:${server.port}`);
  });

  test("every probe has a connection of its own, or all have one", async () => {
    await using server = await realServer();
    const fresh = open(httpsProbe, target(server.port), two);
    for (let i = 0; i < 10; i++) assert.equal(line(await probe(fresh, 5000)), "pass: status 200");
    fresh.close();
    assert.equal(server.sessions(), 10);
    const kept = open(httpsProbe, target(server.port), { ...two, reuse_connection: "true" });
    for (let i = 0; i < 10; i++) assert.equal(line(await probe(kept, 5000)), "pass: status 200");
    kept.close();
    assert.equal(server.sessions(), 11);
  });
});

describe("a kept connection", () => {
  test("that the server has given up between two probes is made anew", async () => {
    await using server = await tlsServer(
      { ...www, ALPNProtocols: ["h2"] },
      h2((socket, s) => {
        socket.write(ok(s));
        setTimeout(() => socket.end(goaway(s, NO_ERROR)), 20);
      }),
    );
    const prober = open(httpsProbe, target(server.port), { ...two, reuse_connection: "true" });
    for (let i = 0; i < 3; i++) {
      assert.equal(line(await probe(prober, 5000)), "pass: status 200");
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    prober.close();
    assert.equal(server.seen(), 3);
  });

  test("that the server gives up at the next request is made anew within the probe", async () => {
    await using server = await tlsServer(
      { ...www, ALPNProtocols: ["h2"] },
      h2((socket, s) => {
        if (s === 1) socket.write(ok(s));
        else socket.end(goaway(1, NO_ERROR));
      }),
    );
    const prober = open(httpsProbe, target(server.port), { ...two, reuse_connection: "true" });
    for (let i = 0; i < 3; i++) assert.equal(line(await probe(prober, 5000)), "pass: status 200");
    prober.close();
    assert.equal(server.seen(), 3);
  });
});

test("a connection ends in an orderly way", async () => {
  await using server = await tlsServer(
    { ...www, ALPNProtocols: ["h2"] },
    h2((socket, s) => socket.write(ok(s))),
  );
  const prober = open(httpsProbe, target(server.port), two);
  for (let i = 0; i < 20; i++) assert.equal(line(await probe(prober, 5000)), "pass: status 200");
  prober.close();
  for (let i = 0; i < 100 && server.held() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual([server.seen(), server.resets()], [20, 0]);
});
