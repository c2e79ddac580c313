import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { TLSSocket } from "node:tls";
import fc from "fast-check";
import { smtpProbe } from "../../src/probe/smtp.ts";
import { smtpReader } from "../../src/probe/smtp-reply.ts";
import { certificate } from "../support/certificates.ts";
import { type Case, line, manyOfEach, open, probe, probeOnce, target, testEach } from "../support/drive.ts";
import {
  type Behaviour,
  greet,
  refuse,
  resetOnAccept,
  stall,
  stallBeforeAccept,
  tcpServer,
  tlsServer,
} from "../support/nasty-server.ts";

/** What a mail server says to each verb; undefined: nothing. `noted` are the commands it got. */
interface Mail {
  readonly greeting?: string;
  readonly replies?: Readonly<Record<string, string | undefined>>;
  readonly noted?: string[];
  /** Goes over to TLS after answering STARTTLS. */
  readonly secret?: { readonly cert: string; readonly key: string };
  /** Says nothing more from then on. */
  readonly mute?: true;
}

const GREETING = "220 mail.example.com ESMTP\r\n";
const EHLO = "250-mail.example.com\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 HELP\r\n";
const REPLIES = { EHLO, HELO: "250 mail.example.com\r\n", STARTTLS: "220 go ahead\r\n", QUIT: "221 bye\r\n" };

/** A mail server that closes after QUIT. */
function mail({ greeting = GREETING, replies = {}, noted = [], secret, mute }: Mail = {}): Behaviour {
  const serve = (socket: Socket, silent = false): void => {
    let rest = "";
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      rest += chunk.toString();
      for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
        const command = rest.slice(0, end);
        rest = rest.slice(end + 2);
        noted.push(command);
        const verb = command.split(" ")[0]!;
        const answer = { ...REPLIES, ...replies }[verb];
        if (answer !== undefined && !silent) socket.write(answer);
        if (verb === "QUIT") socket.end();
        if (verb === "STARTTLS" && secret !== undefined) {
          socket.removeAllListeners("data");
          serve(new TLSSocket(socket, { isServer: true, ...secret }), mute);
        }
      }
    });
  };
  return (socket) => {
    socket.write(greeting);
    serve(socket);
  };
}

const server = (given?: Mail) => () => tcpServer(mail(given));
const says = (greeting: string) => () => tcpServer(greet(greeting));
const answers = (replies: Mail["replies"]) => server({ replies: { ...replies } });

/** Sends it again and again. */
const forEver =
  (text: string): Behaviour =>
  (socket) => {
    const timer = setInterval(() => socket.write(text), 2);
    socket.on("close", () => clearInterval(timer));
  };

/** A byte at a time. */
const dripping =
  (text: string, everyMs: number): Behaviour =>
  (socket) => {
    let sent = 0;
    const timer = setInterval(() => socket.write(text[sent++ % text.length]!), everyMs);
    socket.on("close", () => clearInterval(timer));
  };

const cases: readonly Case[] = [
  ["a mail server", server(), {}, "pass: 250 to EHLO"],
  [
    "a greeting of many lines",
    server({ greeting: `220-one\r\n220-two\r\n220-\r\n${GREETING}` }),
    {},
    "pass: 250 to EHLO",
  ],
  ["a greeting that is a code alone", server({ greeting: "220\r\n" }), {}, "pass: 250 to EHLO"],
  [
    "lines that end as nowhere else",
    server({ greeting: "220 a\n", replies: { EHLO: "250-a\n250 b\n" } }),
    {},
    "pass: 250 to EHLO",
  ],
  ["one that knows only HELO", answers({ EHLO: "500 what?\r\n" }), {}, "pass: 250 to HELO"],
  ["one that has no EHLO", answers({ EHLO: "502 not implemented\r\n" }), {}, "pass: 250 to HELO"],
  ["one that closes upon QUIT", answers({ QUIT: "" }), {}, "pass: 250 to EHLO"],
  // What is wrong
  [
    "no service",
    says("554 no SMTP service here\r\n"),
    {},
    'fail: the greeting is "554 no SMTP service here", expected 220',
  ],
  [
    "one that is busy",
    says("421 4.7.0 too many connections\r\n"),
    {},
    'fail: the greeting is "421 4.7.0 too many connections", expected 220',
  ],
  [
    "a refusal of many lines",
    says("554-mx\r\n554 blocked\r\n"),
    {},
    'fail: the greeting is "554 blocked", expected 220',
  ],
  [
    "a long refusal",
    says(`554 ${"x".repeat(300)}\r\n`),
    {},
    `fail: the greeting is "554 ${"x".repeat(76)}…", expected 220`,
  ],
  [
    "a refusal with control characters",
    says("554 \x1b[31mred\x07\r\n"),
    {},
    String.raw`fail: the greeting is "554 \u001b[31mred\u0007", expected 220`,
  ],
  ["EHLO refused", answers({ EHLO: "550 go away\r\n" }), {}, 'fail: the reply to EHLO is "550 go away", expected 250'],
  [
    "EHLO and HELO refused",
    answers({ EHLO: "500 ?\r\n", HELO: "501 ?\r\n" }),
    {},
    'fail: the reply to HELO is "501 ?", expected 250',
  ],
  [
    "EHLO put off",
    answers({ EHLO: "421 shutting down\r\n" }),
    {},
    'fail: the reply to EHLO is "421 shutting down", expected 250',
  ],
  ["QUIT refused", answers({ QUIT: "500 never\r\n" }), {}, 'fail: the reply to QUIT is "500 never", expected 221'],
  // What is no SMTP
  ["SSH", says("SSH-2.0-OpenSSH_9.6\r\n"), {}, 'fail: the greeting is not SMTP: "SSH-2.0-OpenSSH_9.6"'],
  ["POP3", says("+OK ready\r\n"), {}, 'fail: the greeting is not SMTP: "+OK ready"'],
  ["a code of four digits", says("2200 hello\r\n"), {}, 'fail: the greeting is not SMTP: "2200 hello"'],
  ["an empty line", says("\r\n"), {}, 'fail: the greeting is not SMTP: ""'],
  ["rubbish after EHLO", answers({ EHLO: "yes\r\n" }), {}, 'fail: the reply to EHLO is not SMTP: "yes"'],
  [
    "more than the greeting",
    says(`${GREETING}250 hello\r\n`),
    {},
    'fail: the greeting is followed by what nobody asked for: "250 hello"',
  ],
  [
    "lines without end",
    () => tcpServer(forEver("220-and so on\r\n".repeat(400))),
    {},
    "fail: the greeting is longer than 16KiB",
  ],
  ["a line without end", () => tcpServer(forEver("x".repeat(9000))), {}, "fail: the greeting is longer than 16KiB"],
  // Silence
  ["no greeting", () => tcpServer(stall), {}, "fail: timed out after 300ms waiting for the greeting"],
  ["half a greeting", says("220 ma"), {}, "fail: timed out after 300ms waiting for the greeting"],
  ["a greeting that goes on", says("220-ma\r\n"), {}, "fail: timed out after 300ms waiting for the greeting"],
  [
    "a greeting that drips for ever",
    () => tcpServer(dripping("220-x\r\n", 10)),
    {},
    "fail: timed out after 300ms waiting for the greeting",
  ],
  ["nothing after EHLO", answers({ EHLO: undefined }), {}, "fail: timed out after 300ms waiting for the reply to EHLO"],
  [
    "nothing after HELO",
    answers({ EHLO: "500 ?\r\n", HELO: undefined }),
    {},
    "fail: timed out after 300ms waiting for the reply to HELO",
  ],
  ["SYNs that vanish", stallBeforeAccept, {}, "fail: timed out after 300ms while connecting"],
  // The end
  ["a close at once", () => tcpServer((socket) => socket.end()), {}, "fail: connection closed without a greeting"],
  [
    "a close within the greeting",
    () => tcpServer((socket) => socket.end("220-a\r\n")),
    {},
    "fail: connection closed within the greeting",
  ],
  [
    "a close after EHLO",
    () =>
      tcpServer((socket) => {
        socket.write(GREETING);
        socket.once("data", () => socket.end());
      }),
    {},
    "fail: connection closed without a reply to EHLO",
  ],
  [
    "a reset",
    () => tcpServer(resetOnAccept),
    {},
    /^fail: connection reset (while connecting|waiting for the greeting)$/,
  ],
  ["nobody", () => refuse(), {}, "fail: connection refused"],
];

describe("an smtp probe meets", () => {
  testEach(smtpProbe, cases);
});

test("a hundred probes of each leave no descriptor open", () => manyOfEach(smtpProbe, cases));

describe("over TLS, an smtp probe meets", () => {
  const root = certificate({ subject: "Test Root", authority: true });
  const secret = certificate({ subject: "mail.example.com", names: ["mail.example.com", "127.0.0.1"], issuer: root });
  const folder = mkdtempSync(join(tmpdir(), "director-smtp-"));
  const ca = join(folder, "ca.pem");
  writeFileSync(ca, root.cert);
  after(() => rmSync(folder, { recursive: true }));
  const starttls = { starttls: "true", ca };
  const tls = { tls: "true", ca };
  const over: readonly Case[] = [
    ["a mail server that offers STARTTLS", server({ secret }), starttls, "pass: 250 to EHLO over TLS"],
    [
      "one of the right name",
      server({ secret }),
      { ...starttls, sni: "mail.example.com" },
      "pass: 250 to EHLO over TLS",
    ],
    [
      "one of another name",
      server({ secret }),
      { ...starttls, sni: "mx.example.com" },
      "fail: certificate is for mail.example.com, 127.0.0.1, not for mx.example.com",
    ],
    [
      "one that nobody trusts",
      server({ secret }),
      { starttls: "true" },
      'fail: certificate issued by "Test Root", which is not trusted here',
    ],
    [
      "one that nobody trusts, unverified",
      server({ secret }),
      { starttls: "true", verify: "false" },
      "pass: 250 to EHLO over TLS",
    ],
    [
      "one that does not offer it",
      answers({ EHLO: "250-a\r\n250 HELP\r\n" }),
      starttls,
      "fail: the server does not offer STARTTLS",
    ],
    [
      "one that is called so",
      answers({ EHLO: "250 STARTTLS\r\n" }),
      starttls,
      "fail: the server does not offer STARTTLS",
    ],
    [
      "one that knows only HELO",
      answers({ EHLO: "500 ?\r\n" }),
      starttls,
      'fail: the reply to EHLO is "500 ?", expected 250',
    ],
    [
      "one that cannot just now",
      answers({ STARTTLS: "454 not available\r\n" }),
      starttls,
      'fail: the reply to STARTTLS is "454 not available", expected 220',
    ],
    [
      "words slipped in before TLS",
      answers({ STARTTLS: "220 go\r\n250 hello\r\n" }),
      starttls,
      'fail: the reply to STARTTLS is followed by what nobody asked for: "250 hello"',
    ],
    [
      "silence after STARTTLS",
      answers({ STARTTLS: undefined }),
      starttls,
      "fail: timed out after 300ms waiting for the reply to STARTTLS",
    ],
    ["silence in the handshake", answers({}), starttls, "fail: timed out after 300ms in TLS handshake"],
    [
      "a close in the handshake",
      () =>
        tcpServer((socket, nth) => {
          mail()(socket, nth);
          socket.on("data", (chunk: Buffer) => chunk[0] === 0x16 && socket.end());
        }),
      starttls,
      /^fail: connection (closed|reset) in TLS handshake$/,
    ],
    ["TLS from the first byte", () => tlsServer(secret, mail()), tls, "pass: 250 to EHLO"],
    ["a server without TLS", server(), tls, "fail: TLS handshake failed: the answer is not TLS (a plain HTTP port?)"],
  ];
  testEach(smtpProbe, over);
  test("and a hundred of each leave no descriptor open", () => manyOfEach(smtpProbe, over));

  // They come that far only after a handshake, which a busy machine takes its time for.
  const late: readonly (readonly [...Case])[] = [
    [
      "silence over TLS",
      server({ secret, mute: true }),
      starttls,
      "fail: timed out after 1s500ms waiting for the reply to EHLO",
    ],
    [
      "TLS from the first byte, and no greeting",
      () => tlsServer(secret, stall),
      tls,
      "fail: timed out after 1s500ms waiting for the greeting",
    ],
  ];
  for (const [what, start, options, expected] of late)
    test(what, async () => {
      await using mute = await start();
      assert.equal(line(await probeOnce(smtpProbe, target(mute.port, 1500), options)), expected);
    });

  test("a server that asks who we are is shown our certificate", async () => {
    const client = certificate({ subject: "director", issuer: root });
    const files = { certificate: join(folder, "director.pem"), key: join(folder, "director.key") };
    writeFileSync(files.certificate, client.cert);
    writeFileSync(files.key, client.key);
    const strict = { ...secret, ca: root.cert, requestCert: true, rejectUnauthorized: true };
    await using secure = await tlsServer(strict, mail());
    assert.equal(line(await probeOnce(smtpProbe, target(secure.port), { ...tls, ...files })), "pass: 250 to EHLO");
    assert.equal(
      line(await probeOnce(smtpProbe, target(secure.port), tls)),
      "fail: TLS error waiting for the greeting: the server demands a client certificate",
    );
  });

  test("after STARTTLS everything is said again", async () => {
    const noted: string[] = [];
    await using secure = await tcpServer(mail({ secret, noted }));
    assert.equal(
      line(await probeOnce(smtpProbe, target(secure.port), { ...starttls, helo: "lb.test" })),
      "pass: 250 to EHLO over TLS",
    );
    assert.deepEqual(noted, ["EHLO lb.test", "STARTTLS", "EHLO lb.test", "QUIT"]);
  });
});

describe("what a mail server hears", () => {
  const heard = async (host: string, options: Record<string, unknown>, replies = {}, source?: string) => {
    const noted: string[] = [];
    await using own = await tcpServer(mail({ noted, replies }), host);
    const outcome = line(await probeOnce(smtpProbe, target(own.port, 2000, host, source), options));
    return [outcome, ...noted];
  };
  test("our address, if we have no name", async () => {
    assert.deepEqual(await heard("127.0.0.1", {}, {}, "127.0.0.9"), ["pass: 250 to EHLO", "EHLO [127.0.0.9]", "QUIT"]);
    assert.deepEqual(await heard("::1", {}), ["pass: 250 to EHLO", "EHLO [IPv6:::1]", "QUIT"]);
  });
  test("our name, if we have one", async () => {
    assert.deepEqual(await heard("127.0.0.1", { helo: "lb.test" }, { EHLO: "500 ?\r\n" }), [
      "pass: 250 to HELO",
      "EHLO lb.test",
      "HELO lb.test",
      "QUIT",
    ]);
  });
  test("nothing before it has greeted to the end", async () => {
    let early = "";
    await using patient = await tcpServer((socket, nth) => {
      socket.write("220-wait\r\n");
      socket.on("data", (chunk: Buffer) => (early += chunk));
      setTimeout(() => {
        assert.equal(early, "");
        mail()(socket, nth);
      }, 60);
    });
    assert.equal(line(await probeOnce(smtpProbe, target(patient.port))), "pass: 250 to EHLO");
  });
});

test("a greeting that takes too long is a failure where that is asked for", async () => {
  await using slow = await tcpServer((socket, nth) => {
    setTimeout(() => mail()(socket, nth), 700);
  });
  const ask = async (max_latency: string) => line(await probeOnce(smtpProbe, target(slow.port, 5000), { max_latency }));
  assert.match(await ask("40ms"), /^fail: the right answer took \d+ms, expected within 40ms$/);
  assert.equal(await ask("4s"), "pass: 250 to EHLO");
});

test("a source address that is not ours says nothing about the server", async () => {
  await using own = await tcpServer(mail());
  assert.equal(
    line(await probeOnce(smtpProbe, target(own.port, 2000, "127.0.0.1", "192.0.2.1"))),
    "inconclusive: the source address is not on this machine (EADDRNOTAVAIL)",
  );
});

test("the next probe may begin within the outcome of the last, in every state", async () => {
  await using good = await tcpServer(mail());
  await using bad = await tcpServer(greet("554 no\r\n"));
  await using dead = await refuse();
  for (const { port } of [good, bad, dead]) {
    const prober = open(smtpProbe, target(port));
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
  await using slow = await tcpServer((socket, nth) => {
    setTimeout(() => mail()(socket, nth), 20);
  });
  for (const wait of [undefined, 0, 10, 21]) {
    const prober = open(smtpProbe, target(slow.port));
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

test("a server that is probed by its mail's own rules is not left without a farewell, over many probes", async () => {
  const noted: string[] = [];
  await using own = await tcpServer(mail({ noted }));
  const prober = open(smtpProbe, target(own.port));
  for (let i = 0; i < 20; i++) assert.equal(line(await probe(prober, 5000)), "pass: 250 to EHLO");
  prober.close();
  assert.equal(noted.filter((command) => command === "QUIT").length, 20);
  assert.equal(own.resets(), 0);
});

test("a reply reads the same however its bytes are parted", () => {
  const texts = [GREETING, EHLO, "554-a\r\n554 b\r\n", "220\r\n", "hello\r\n", "250-a\n250 b\n"];
  const whole = (text: string) => smtpReader().read(Buffer.from(text));
  fc.assert(
    fc.property(
      fc.constantFrom(...texts),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 60 }),
      (text, sizes) => {
        const reader = smtpReader();
        const bytes = Buffer.from(text);
        let at = 0;
        for (const size of sizes) {
          const found = reader.read(bytes.subarray(at, at + size));
          at += size;
          if (found !== "more") {
            assert.deepEqual(found, whole(text));
            return;
          }
        }
        assert.fail("never whole");
      },
    ),
  );
});

test("whatever bytes come, reading them ends and throws nothing", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom("220 a\r\n", "250-", "\n", "\r").map(Buffer.from),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const reader = smtpReader();
      for (const bytes of pieces) {
        const found = reader.read(Buffer.from(bytes));
        if (found !== "more" && found.kind === "trouble") return;
        if (found !== "more") assert.ok(found.code >= 200 && found.code <= 599);
      }
    }),
    { numRuns: 2000 },
  );
});
