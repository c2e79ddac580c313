import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { grpcProbe } from "../../src/probe/grpc.ts";
import { healthRequest, healthStatus } from "../../src/probe/grpc-message.ts";
import { certificate } from "../support/certificates.ts";
import { type Case, line, manyOfEach, open, probe, probeOnce, target, testEach } from "../support/drive.ts";
import {
  GRPC_HEAD,
  type GrpcBehaviour,
  grpcMessage,
  grpcServer,
  refuses,
  says,
  status,
} from "../support/grpc-server.ts";
import { settings } from "../support/h2-frames.ts";
import {
  closeWithoutReply,
  drip,
  greet,
  refuse,
  reply,
  resetOnAccept,
  stall,
  stallBeforeAccept,
  tcpServer,
  tlsServer,
} from "../support/nasty-server.ts";

const server = (behave: GrpcBehaviour) => () => grpcServer(behave);
const SERVING = Buffer.of(0x08, 1);
const cart = { service: "shop.v1.Cart" };

const cases: readonly Case[] = [
  ["SERVING", server(status(1)), {}, "pass: SERVING"],
  ["SERVING of a service", server(status(1)), cart, "pass: SERVING"],
  ["UNKNOWN", server(status(0)), {}, "fail: the server is UNKNOWN, expected SERVING"],
  ["NOT_SERVING", server(status(2)), {}, "fail: the server is NOT_SERVING, expected SERVING"],
  [
    "NOT_SERVING of a service",
    server(status(2)),
    cart,
    'fail: the service "shop.v1.Cart" is NOT_SERVING, expected SERVING',
  ],
  ["SERVICE_UNKNOWN", server(status(3)), cart, 'fail: the service "shop.v1.Cart" is SERVICE_UNKNOWN, expected SERVING'],
  ["a state of tomorrow", server(status(9)), {}, "fail: the server is in state 9, expected SERVING"],
  // Codes
  [
    "a service it does not know",
    server(refuses(5, "unknown service")),
    cart,
    'fail: the server does not know the service "shop.v1.Cart" (NOT_FOUND: "unknown service")',
  ],
  ["no health service", server(refuses(12)), {}, "fail: the server has no grpc.health.v1.Health (UNIMPLEMENTED)"],
  [
    "one that is not allowed",
    server(refuses(16, "no%20token")),
    {},
    'fail: the server answered UNAUTHENTICATED: "no token"',
  ],
  [
    "a proxy with nobody behind it",
    server(refuses(14, "upstream connect error")),
    {},
    'fail: the server answered UNAVAILABLE: "upstream connect error"',
  ],
  [
    "an error after a message",
    server(says(grpcMessage(SERVING), { "grpc-status": "13" })),
    {},
    "fail: the server answered INTERNAL",
  ],
  ["a code of tomorrow", server(refuses(99)), {}, 'fail: the server answered "99"'],
  ["a code that is none", server(refuses("x y")), {}, 'fail: the server answered "x y"'],
  ["a message that is badly encoded", server(refuses(2, "50%")), {}, 'fail: the server answered UNKNOWN: "50%"'],
  [
    "a long message",
    server(refuses(2, "y".repeat(200))),
    {},
    `fail: the server answered UNKNOWN: "${"y".repeat(80)}…"`,
  ],
  // What is no gRPC
  [
    "HTTP/2 and a web page",
    server((stream) => {
      stream.respond({ ":status": 200, "content-type": "text/html" });
      stream.end("<html>");
    }),
    {},
    'fail: content type "text/html", expected application/grpc',
  ],
  [
    "gRPC-Web",
    server((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc-web" });
      stream.end("x");
    }),
    {},
    'fail: content type "application/grpc-web", expected application/grpc',
  ],
  [
    "no content type",
    server((stream) => {
      stream.respond({ ":status": 200 });
      stream.end();
    }),
    {},
    "fail: no content type, expected application/grpc",
  ],
  [
    "another kind of gRPC",
    server((stream) => {
      stream.respond(
        { ...GRPC_HEAD, "content-type": "application/grpc+proto", "grpc-status": "12" },
        { endStream: true },
      );
    }),
    {},
    "fail: the server has no grpc.health.v1.Health (UNIMPLEMENTED)",
  ],
  [
    "404",
    server((stream) => {
      stream.respond({ ":status": 404 });
      stream.end("not found");
    }),
    {},
    "fail: status 404, expected 200: is this a gRPC server?",
  ],
  [
    "503",
    server((stream) => {
      stream.respond({ ":status": 503 }, { endStream: true });
    }),
    {},
    "fail: status 503, expected 200: is this a gRPC server?",
  ],
  [
    "HTTP/1.1",
    () => tcpServer(reply("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")),
    {},
    /^fail: the reply is not HTTP\/2 \(/,
  ],
  ["SMTP", () => tcpServer(greet("220 mail ready\r\n")), {}, /^fail: the reply is not HTTP\/2 \(/],
  // Replies that are not whole, or too much
  [
    "no trailers",
    server((stream) => {
      stream.respond(GRPC_HEAD);
      stream.end(grpcMessage(SERVING));
    }),
    {},
    "fail: the reply ends without a grpc-status",
  ],
  ["OK, and no message", server(says(Buffer.of())), {}, "fail: the reply has no message"],
  ["OK at once, and no message", server(refuses(0)), {}, "fail: the reply has no message"],
  ["half a prefix", server(says(Buffer.of(0, 0))), {}, "fail: the reply ends within its message"],
  ["half a message", server(says(grpcMessage(SERVING).subarray(0, -1))), {}, "fail: the reply ends within its message"],
  [
    "a gigabyte promised",
    server(says(Buffer.of(0, 0x40, 0, 0, 0, 8, 1))),
    {},
    "fail: the reply ends within its message",
  ],
  [
    "two messages",
    server(says(Buffer.concat([grpcMessage(SERVING), grpcMessage(SERVING)]))),
    {},
    "fail: the reply has more than one message",
  ],
  [
    "a compressed message",
    server(says(grpcMessage(SERVING, true))),
    {},
    "fail: the reply is compressed, which was not asked for",
  ],
  [
    "rubbish in a message",
    server(says(grpcMessage(Buffer.from("hello")))),
    {},
    "fail: the reply is no HealthCheckResponse",
  ],
  ["a big message", server(says(grpcMessage(Buffer.alloc(5000)))), {}, "fail: the reply is longer than 4KiB"],
  [
    "100 MB",
    server((stream) => {
      stream.respond(GRPC_HEAD);
      const pour = (): void => {
        while (!stream.destroyed && stream.write(Buffer.alloc(65_536)));
        stream.once("drain", pour);
      };
      pour();
    }),
    {},
    "fail: the reply is longer than 4KiB",
  ],
  [
    "fields it does not know",
    server(says(grpcMessage(Buffer.from("120161080119aaaaaaaaaaaaaaaa1daaaaaaaa", "hex")))),
    {},
    "pass: SERVING",
  ],
  // Time
  ["no reply", server(() => {}), {}, "fail: timed out after 300ms waiting for the reply"],
  [
    "nothing after the header",
    server((stream) => stream.respond(GRPC_HEAD)),
    {},
    "fail: timed out after 300ms reading the body",
  ],
  [
    "no trailers yet",
    server((stream) => {
      stream.respond(GRPC_HEAD);
      stream.write(grpcMessage(SERVING));
    }),
    {},
    "fail: timed out after 300ms reading the body",
  ],
  [
    "a message that drips",
    server((stream) => {
      stream.respond(GRPC_HEAD);
      const timer = setInterval(() => stream.write(Buffer.of(0)), 20);
      stream.on("close", () => clearInterval(timer));
    }),
    {},
    "fail: timed out after 300ms reading the body",
  ],
  ["a server that never speaks", () => tcpServer(stall), {}, "fail: timed out after 300ms waiting for the reply"],
  [
    "frames that drip",
    () => tcpServer(drip(settings.toString("latin1"), 20)),
    {},
    "fail: timed out after 300ms waiting for the reply",
  ],
  ["SYNs that vanish", stallBeforeAccept, {}, "fail: timed out after 300ms while connecting"],
  // The end
  ["a close at once", () => tcpServer((socket) => socket.end()), {}, "fail: connection closed without a reply"],
  ["a close instead of a reply", () => tcpServer(closeWithoutReply), {}, "fail: connection closed without a reply"],
  ["a reset", () => tcpServer(resetOnAccept), {}, /^fail: connection reset (while connecting|waiting for the reply)$/],
  [
    "a stream refused",
    server((stream) => stream.close(7)),
    {},
    "fail: the server reset the stream waiting for the reply (REFUSED_STREAM)",
  ],
  [
    "a GOAWAY in anger",
    server((stream) => stream.session?.goaway(11)),
    {},
    "fail: the server gave up the connection waiting for the reply (GOAWAY ENHANCE_YOUR_CALM)",
  ],
  [
    "a GOAWAY that lets this call end",
    server((stream, ...rest) => {
      stream.session?.goaway(0, stream.id!);
      status(1)(stream, ...rest);
    }),
    {},
    "pass: SERVING",
  ],
  ["nobody", () => refuse(), {}, "fail: connection refused"],
];

describe("a grpc probe meets", () => {
  testEach(grpcProbe, cases);
});

const kept = cases.filter(([what]) => !/100 MB|drip/.test(what));
test("a hundred probes of each leave no descriptor open", () => manyOfEach(grpcProbe, cases));
test("a hundred probes of each over kept connections leave no descriptor open", () =>
  manyOfEach(
    grpcProbe,
    kept.map(([what, start, options, outcome]) => [what, start, { ...options, reuse_connection: "true" }, outcome]),
  ));

describe("over TLS, a grpc probe meets", () => {
  const root = certificate({ subject: "Test Root", authority: true });
  const secret = certificate({ subject: "cart.example.com", names: ["cart.example.com", "127.0.0.1"], issuer: root });
  const folder = mkdtempSync(join(tmpdir(), "director-grpc-"));
  const ca = join(folder, "ca.pem");
  writeFileSync(ca, root.cert);
  after(() => rmSync(folder, { recursive: true }));
  const tls = { tls: "true", ca };
  const secure = (behave: GrpcBehaviour) => () => grpcServer(behave, secret);
  const over: readonly Case[] = [
    ["SERVING", secure(status(1)), tls, "pass: SERVING"],
    ["NOT_SERVING", secure(status(2)), tls, "fail: the server is NOT_SERVING, expected SERVING"],
    ["the name of the host", secure(status(1)), { ...tls, host: "cart.example.com:443" }, "pass: SERVING"],
    [
      "another name",
      secure(status(1)),
      { ...tls, sni: "a.example.com" },
      "fail: certificate is for cart.example.com, 127.0.0.1, not for a.example.com",
    ],
    [
      "an unknown issuer",
      secure(status(1)),
      { tls: "true" },
      'fail: certificate issued by "Test Root", which is not trusted here',
    ],
    ["whatever, unverified", secure(status(1)), { tls: "true", verify: "false" }, "pass: SERVING"],
    [
      "HTTP/1.1 alone",
      () => tlsServer({ ...secret, ALPNProtocols: ["http/1.1"] }, stall),
      tls,
      "fail: TLS handshake failed: the server does not speak h2",
    ],
    [
      "no protocol at all",
      () => tlsServer(secret, stall),
      tls,
      "fail: the server does not speak HTTP/2, it chose no protocol (ALPN)",
    ],
    [
      "a server without TLS",
      server(status(1)),
      tls,
      /^fail: (TLS handshake failed: the answer is not TLS|connection (closed|reset) in TLS handshake)/,
    ],
    ["silence in the handshake", () => tcpServer(stall), tls, "fail: timed out after 300ms in TLS handshake"],
  ];
  testEach(grpcProbe, over);
  test("and a hundred of each leave no descriptor open", () => manyOfEach(grpcProbe, over));
});

describe("a call", () => {
  const called = async (options: Record<string, unknown>, host = "127.0.0.1", source?: string) => {
    const calls: { headers: IncomingHttpHeaders; request: Buffer; from: string | undefined }[] = [];
    await using own = await grpcServer(
      (stream, headers, request) => {
        calls.push({ headers, request, from: stream.session?.socket.remoteAddress });
        status(1)(stream, headers, request);
      },
      { host },
    );
    const outcome = line(await probeOnce(grpcProbe, target(own.port, 2500, host, source), options));
    assert.equal(outcome, "pass: SERVING");
    assert.equal(calls.length, 1);
    return { ...calls[0]!, port: own.port };
  };

  test("is what every gRPC server expects", async () => {
    const { headers, request, port } = await called({});
    const { ":method": method, ":path": path, ":scheme": scheme, ":authority": authority, te } = headers;
    assert.deepEqual(
      { method, path, scheme, authority, te, type: headers["content-type"], timeout: headers["grpc-timeout"] },
      {
        method: "POST",
        path: "/grpc.health.v1.Health/Check",
        scheme: "http",
        authority: `127.0.0.1:${port}`,
        te: "trailers",
        type: "application/grpc",
        timeout: "2500m",
      },
    );
    assert.equal(request.toString("hex"), "0000000000");
  });

  test("names the service and the host", async () => {
    const { headers, request } = await called({ ...cart, host: "cart.example.com" });
    assert.equal(headers[":authority"], "cart.example.com");
    assert.equal(request.toString("latin1"), "\0\0\0\0\x0e\x0a\x0cshop.v1.Cart");
  });

  test("comes from the source address", async () => {
    assert.equal((await called({}, "127.0.0.1", "127.0.0.9")).from, "127.0.0.9");
    await using own = await grpcServer(status(1));
    assert.equal(
      line(await probeOnce(grpcProbe, target(own.port, 2000, "127.0.0.1", "192.0.2.1"))),
      "inconclusive: the source address is not on this machine (EADDRNOTAVAIL)",
    );
  });

  test("goes over IPv6 too", async () => {
    assert.match((await called({}, "::1")).headers[":authority"] ?? "", /^\[::1\]:\d+$/);
  });
});

test("a right answer that takes too long is a failure where that is asked for", async () => {
  await using slow = await grpcServer((...call) => setTimeout(() => status(1)(...call), 700));
  const ask = async (max_latency: string) => line(await probeOnce(grpcProbe, target(slow.port, 5000), { max_latency }));
  assert.match(await ask("40ms"), /^fail: the right answer took \d+ms, expected within 40ms$/);
  assert.equal(await ask("4s"), "pass: SERVING");
});

describe("connections", () => {
  const counting = async (options: Record<string, unknown>, behave: GrpcBehaviour = status(1), probes = 5) => {
    const sessions = new Set<unknown>();
    await using own = await grpcServer((stream, ...rest) => {
      sessions.add(stream.session?.socket.remotePort);
      behave(stream, ...rest);
    });
    const prober = open(grpcProbe, target(own.port), options);
    const outcomes = [];
    for (let i = 0; i < probes; i++) outcomes.push(line(await probe(prober, 2000)));
    prober.close();
    assert.deepEqual(new Set(outcomes), new Set(["pass: SERVING"]));
    return { connections: sessions.size, resets: own.resets() };
  };

  test("are new for every probe, and closed in order", async () => {
    assert.deepEqual(await counting({}), { connections: 5, resets: 0 });
  });

  test("are kept on request", async () => {
    assert.equal((await counting({ reuse_connection: "true" })).connections, 1);
  });

  test("that were kept and have gone are made anew, and the probe passes", async () => {
    const once: GrpcBehaviour = (stream, ...rest) => {
      const { session } = stream;
      stream.on("close", () => session?.destroy());
      status(1)(stream, ...rest);
    };
    assert.equal((await counting({ reuse_connection: "true" }, once)).connections, 5);
  });

  test("that are to end after this call are not used again", async () => {
    const farewell: GrpcBehaviour = (stream, ...rest) => {
      stream.session?.goaway(0, stream.id!);
      status(1)(stream, ...rest);
    };
    assert.equal((await counting({ reuse_connection: "true" }, farewell)).connections, 5);
  });
});

test("the next probe may begin within the outcome of the last, in every state", async () => {
  await using good = await grpcServer(status(1));
  await using bad = await grpcServer(status(2));
  await using dead = await refuse();
  for (const { port } of [good, bad, dead])
    for (const reuse_connection of ["true", "false"]) {
      const prober = open(grpcProbe, target(port), { reuse_connection });
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
  await using slow = await grpcServer((...call) => setTimeout(() => status(1)(...call), 20));
  for (const wait of [undefined, 0, 10, 22]) {
    const prober = open(grpcProbe, target(slow.port));
    let outcomes = 0;
    prober.start(() => outcomes++);
    if (wait !== undefined) await new Promise((resolve) => setTimeout(resolve, wait));
    const before = outcomes;
    prober.close();
    prober.cancel();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(outcomes, before);
  }
});

describe("messages", () => {
  test("whatever bytes come, reading ends and throws nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, framed) => {
        const read = healthStatus(framed ? grpcMessage(bytes) : Buffer.from(bytes));
        if (read.ok) assert.equal(typeof read.value, "number");
        else assert.notEqual(read.error, "");
      }),
      { numRuns: 5000 },
    );
  });

  test("the last of several states counts, and none means unknown", () => {
    assert.deepEqual(healthStatus(grpcMessage(Buffer.of(8, 2, 8, 1))), { ok: true, value: 1 });
    assert.deepEqual(healthStatus(grpcMessage(Buffer.of())), { ok: true, value: 0 });
    assert.deepEqual(healthStatus(grpcMessage(Buffer.of(8, 0x81, 0))), { ok: true, value: 1 });
    assert.equal(healthStatus(grpcMessage(Buffer.alloc(12, 0xff))).ok, false);
  });

  test("a name of 200 letters has a length of two bytes", () => {
    const request = healthRequest("s".repeat(200));
    assert.equal(request.subarray(0, 9).toString("hex"), "00000000cb0ac80173");
    assert.equal(request.length, 5 + 3 + 200);
  });
});
