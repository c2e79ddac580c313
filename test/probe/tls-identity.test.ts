import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { httpsProbe } from "../../src/probe/http.ts";
import { tcpProbe } from "../../src/probe/tcp.ts";
import { type Certificate, certificate } from "../support/certificates.ts";
import { type Case, line, manyOfEach, open, probe, probeOnce, target, testEach } from "../support/drive.ts";
import {
  type Behaviour,
  greet,
  type NastyServer,
  reply,
  stall,
  tcpServer,
  tlsServer,
} from "../support/nasty-server.ts";

const folder = mkdtempSync(join(tmpdir(), "director-identity-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const DAY_MS = 86_400_000;
/** Half a day more, so that the count of whole days holds for as long as a test runs. */
const inDays = (days: number): Date => new Date(Date.now() + (days + 0.5) * DAY_MS);
const date = (days: number): string => inDays(days).toISOString().slice(0, 10);
const host = "www.example.com";

const root = certificate({ subject: "Test Root", authority: true });
const www = certificate({ subject: host, names: [host, "127.0.0.1"], issuer: root });
const prober = certificate({ subject: "director", issuer: root });
const next = certificate({ subject: "director-2", issuer: root });
const stranger = certificate({ subject: "stranger" });
const ca = file("ca.pem", root.cert);
const ours = { certificate: file("own.pem", prober.cert), key: file("own.key", prober.key) };
const strange = { certificate: file("strange.pem", stranger.cert), key: file("strange.key", stranger.key) };

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const trusting = { ca, host };

/** Wants to know who asks. */
function asking(behave: Behaviour = reply(OK), version: "TLSv1.2" | "TLSv1.3" = "TLSv1.3"): () => Promise<NastyServer> {
  const identity = { requestCert: true, rejectUnauthorized: true, ca: root.cert };
  return () => tlsServer({ ...www, ...identity, minVersion: version, maxVersion: version }, behave);
}

/** Answers the client's first words with a fatal alert (RFC 8446, 6), as servers do that check certificates while shaking hands. */
function alert(code: number): () => Promise<NastyServer> {
  return () => tcpServer(reply(Buffer.of(0x15, 3, 3, 0, 2, 2, code), "close"));
}

const NO_ENTRY = /^fail: (TLS error|connection (closed|reset)) (waiting for the reply|without a reply)/;

const asked: readonly Case[] = [
  ["that knows us", asking(), { ...trusting, ...ours }, "pass: status 200"],
  ["that knows us, over TLS 1.2", asking(reply(OK), "TLSv1.2"), { ...trusting, ...ours }, "pass: status 200"],
  [
    "to which we show nothing",
    asking(),
    trusting,
    /^fail: (TLS error waiting for the reply: the server demands a client certificate|connection reset waiting for the reply)$/,
  ],
  [
    "to which we show nothing, over TLS 1.2",
    asking(reply(OK), "TLSv1.2"),
    trusting,
    /^fail: TLS handshake failed: .*handshake failure/,
  ],
  ["that does not know our issuer", asking(), { ...trusting, ...strange }, NO_ENTRY],
  [
    "that says so",
    alert(48),
    { ...trusting, ...strange },
    "fail: TLS handshake failed: the server does not accept our certificate (unknown ca)",
  ],
  [
    "to which our certificate has expired",
    alert(45),
    { ...trusting, ...ours },
    "fail: TLS handshake failed: the server does not accept our certificate (certificate expired)",
  ],
  ["that stalls then", asking(stall), { ...trusting, ...ours }, "fail: timed out after 300ms waiting for the reply"],
];

describe("an https probe meets a server", () => testEach(httpsProbe, asked));

describe("a tcp probe meets a server that asks who it is", () => {
  const ping = { tls: "true", ca, sni: host, send: "PING\r\n", expect: "+PONG" };
  testEach(tcpProbe, [
    ["and knows us", asking(reply("+PONG\r\n")), { ...ping, ...ours }, "pass: expected reply"],
    [
      "and is shown nothing",
      asking(reply("+PONG\r\n")),
      ping,
      /^fail: (TLS error waiting for the reply: the server demands a client certificate|connection reset waiting for the reply)$/,
    ],
    ["and does not know our issuer", asking(reply("+PONG\r\n")), { ...ping, ...strange }, NO_ENTRY],
    [
      "and greets only then",
      asking(greet("220 ready\r\n")),
      { tls: "true", ca, ...ours, expect: "220" },
      "pass: expected reply",
    ],
  ]);
});

test("a hundred probes of each leave no descriptor open", () => manyOfEach(httpsProbe, asked));

test("a certificate and key that were replaced count from the next probe on; between the two nothing is said", async () => {
  const seen: string[] = [];
  await using server = await asking((socket) => {
    seen.push(String((socket as TLSSocket).getPeerCertificate().subject.CN));
    reply(OK)(socket, 1);
  })();
  const own = { certificate: file("turn.pem", prober.cert), key: file("turn.key", prober.key) };
  const checking = open(httpsProbe, target(server.port), { ...trusting, ...own });
  const outcomes = [line(await probe(checking, 5000))];
  writeFileSync(own.certificate, next.cert);
  utimesSync(own.certificate, 1, 1);
  outcomes.push(line(await probe(checking, 5000)));
  writeFileSync(own.key, next.key);
  utimesSync(own.key, 1, 1);
  outcomes.push(line(await probe(checking, 5000)));
  checking.close();
  assert.deepEqual([outcomes[0], outcomes[2]], ["pass: status 200", "pass: status 200"]);
  assert.match(outcomes[1]!, /^inconclusive: TLS: .*key values mismatch/);
  assert.deepEqual(seen, ["director", "director-2"]);
});

describe("days that a certificate has left", () => {
  const leaf = (days: number, issuer?: Certificate): Certificate =>
    certificate({ subject: host, names: [host], notAfter: inDays(days), ...(issuer && { issuer }) });
  const oldRoot = certificate({ subject: "Old Root", authority: true, notAfter: inDays(5) });
  const oldCa = file("old-root.pem", oldRoot.cert);
  const enough = (pair: Certificate) => (): Promise<NastyServer> => tlsServer(pair, reply(OK));
  const few = leaf(9, root);
  const cases: readonly Case[] = [
    ["enough", enough(leaf(14, root)), { ...trusting, certificate_days_left: "14" }, "pass: status 200"],
    [
      "one too few",
      enough(leaf(13, root)),
      { ...trusting, certificate_days_left: "14" },
      `fail: certificate has 13 days left, until ${date(13)}, expected at least 14`,
    ],
    ["few, and nobody asks", enough(few), trusting, "pass: status 200"],
    [
      "less than one",
      enough(leaf(0, root)),
      { ...trusting, certificate_days_left: "1" },
      `fail: certificate has 0 days left, until ${date(0)}, expected at least 1`,
    ],
    [
      "of the issuer are few",
      enough(leaf(300, oldRoot)),
      { host, ca: oldCa, certificate_days_left: "10" },
      `fail: certificate of the issuer "Old Root" has 5 days left, until ${date(5)}, expected at least 10`,
    ],
    [
      "are few of a certificate that is not verified",
      enough(leaf(1)),
      { host, verify: "false", certificate_days_left: "10" },
      `fail: certificate has 1 day left, until ${date(1)}, expected at least 10`,
    ],
    [
      "are over where it is not verified",
      enough(leaf(-9)),
      { host, verify: "false", certificate_days_left: "10" },
      `fail: certificate expired on ${date(-9)}`,
    ],
    [
      "cannot be told, for the date is none",
      enough(certificate({ subject: host, names: [host], notAfter: "999999999999Z" })),
      { host, verify: "false", certificate_days_left: "10" },
      "fail: certificate expired on a date that cannot be read",
    ],
    [
      "do not matter where the name is wrong",
      enough(few),
      { ca, host: "api.example.com", certificate_days_left: "14" },
      "fail: certificate is for www.example.com, not for api.example.com",
    ],
  ];
  testEach(httpsProbe, cases);

  test("count for tcp over TLS as well", async () => {
    await using server = await enough(few)();
    const options = { tls: "true", ca, sni: host, certificate_days_left: "14" };
    const outcome = line(await probeOnce(tcpProbe, target(server.port), options));
    assert.equal(outcome, `fail: certificate has 9 days left, until ${date(9)}, expected at least 14`);
  });
});
