import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { httpsProbe } from "../../src/probe/http.ts";
import { certificate } from "../support/certificates.ts";
import { type Case, line, manyOfEach, open, probe, probeOnce, target, testEach } from "../support/drive.ts";
import {
  type Behaviour,
  drip,
  type NastyServer,
  refuse,
  reply,
  resetOnAccept,
  stall,
  tcpServer,
  tlsServer,
} from "../support/nasty-server.ts";

const folder = mkdtempSync(join(tmpdir(), "director-https-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const root = certificate({ subject: "Test Root", authority: true });
const otherRoot = certificate({ subject: "Somebody Else's Root", authority: true });
const www = certificate({ subject: "www.example.com", names: ["www.example.com", "*.test.example"], issuer: root });
const byAddress = certificate({ subject: "app1", names: ["127.0.0.1"], issuer: root });
const alone = certificate({ subject: "www.example.com", names: ["www.example.com"] });
const expired = certificate({
  subject: "www.example.com",
  names: ["www.example.com"],
  issuer: root,
  notAfter: new Date("2001-02-03T12:00:00Z"),
});
const early = certificate({
  subject: "www.example.com",
  names: ["www.example.com"],
  issuer: root,
  notBefore: new Date("2048-05-06T12:00:00Z"),
});
const expiredRoot = certificate({ subject: "Old Root", authority: true, notAfter: new Date("2002-03-04T12:00:00Z") });
const byExpiredRoot = certificate({ subject: "www.example.com", names: ["www.example.com"], issuer: expiredRoot });
const ca = file("ca.pem", root.cert);

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const host = "www.example.com";
const trusting = { ca, host };

function with_(pair: { cert: string; key: string }, behave: Behaviour = reply(OK)): () => Promise<NastyServer> {
  return () => tlsServer({ cert: pair.cert, key: pair.key }, behave);
}

const cases: readonly Case[] = [
  ["a certificate that is right", with_(www), trusting, "pass: status 200"],
  ["a wildcard that fits", with_(www), { ca, host: "a.test.example:8443" }, "pass: status 200"],
  ["the target's own address in the certificate", with_(byAddress), { ca }, "pass: status 200"],
  ["a name given apart from the host", with_(www), { ca, host: "intern", sni: host }, "pass: status 200"],
  [
    "another name",
    with_(www),
    { ca, host: "api.example.com" },
    "fail: certificate is for www.example.com, *.test.example, not for api.example.com",
  ],
  [
    "no name but the address",
    with_(www),
    { ca },
    "fail: certificate is for www.example.com, *.test.example, not for 127.0.0.1",
  ],
  ["a certificate that has expired", with_(expired), trusting, "fail: certificate expired on 2001-02-03"],
  ["a certificate that is not valid yet", with_(early), trusting, "fail: certificate is not valid before 2048-05-06"],
  [
    "an issuer that has expired",
    with_(byExpiredRoot),
    { host, ca: file("old.pem", expiredRoot.cert) },
    'fail: certificate of the issuer "Old Root" expired on 2002-03-04',
  ],
  ["a self-signed certificate", with_(alone), trusting, "fail: certificate is self-signed"],
  [
    "a self-signed certificate that is trusted",
    with_(alone),
    { host, ca: file("alone.pem", alone.cert) },
    "pass: status 200",
  ],
  [
    "an issuer this machine does not know",
    with_(www),
    { host },
    'fail: certificate issued by "Test Root", which is not trusted here',
  ],
  [
    "another issuer than the given one",
    with_(www),
    { host, ca: file("other.pem", otherRoot.cert) },
    'fail: certificate issued by "Test Root", which is not trusted here',
  ],
  ["everything wrong, and verify: false", with_(expired), { verify: "false", host: "x.example" }, "pass: status 200"],
  [
    "plain HTTP",
    () => tcpServer(reply("HTTP/1.1 400 Bad Request\r\n\r\n")),
    trusting,
    "fail: TLS handshake failed: the answer is not TLS (a plain HTTP port?)",
  ],
  [
    "a mail server",
    () => tcpServer((socket) => socket.write("220 mail.example.com ESMTP ready\r\n")),
    trusting,
    "fail: TLS handshake failed: the answer is not TLS (a plain HTTP port?)",
  ],
  [
    "old TLS only",
    () => tlsServer({ ...www, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }, reply(OK)),
    trusting,
    /^fail: TLS handshake failed: .*(version|protocol)/,
  ],
  [
    "no common cipher",
    () => tlsServer({ ...www, maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES256-CCM8:@SECLEVEL=0" }, reply(OK)),
    trusting,
    /^fail: TLS handshake failed: .*handshake failure/,
  ],
  [
    "a server that wants a certificate of ours",
    () => tlsServer({ ...www, requestCert: true, rejectUnauthorized: true, maxVersion: "TLSv1.2" }, reply(OK)),
    trusting,
    /^fail: TLS handshake failed: .*handshake failure/,
  ],
  ["silence in the handshake", () => tcpServer(stall), trusting, "fail: timed out after 300ms in TLS handshake"],
  [
    "a close in the handshake",
    () => tcpServer((socket) => socket.once("data", () => socket.end())),
    trusting,
    "fail: connection closed in TLS handshake",
  ],
  [
    "a reset in the handshake",
    () => tcpServer((socket) => socket.once("data", () => socket.resetAndDestroy())),
    trusting,
    "fail: connection reset in TLS handshake",
  ],
  [
    "a reset on accept",
    () => tcpServer(resetOnAccept),
    trusting,
    /^fail: connection (reset|closed) (while connecting|in TLS handshake)$/,
  ],
  ["a port nobody listens on", () => refuse(), trusting, "fail: connection refused"],
  ["silence after the handshake", with_(www, stall), trusting, "fail: timed out after 300ms waiting for the reply"],
  [
    "a body that drips",
    with_(www, drip("x", 20, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")),
    trusting,
    "fail: timed out after 300ms reading the body",
  ],
  [
    "a wrong status",
    with_(www, reply("HTTP/1.1 503 Oops\r\nContent-Length: 0\r\n\r\n")),
    trusting,
    "fail: status 503, expected 200-299",
  ],
];

describe("an https probe meets", () => {
  testEach(httpsProbe, cases);
});

test("a hundred probes of each leave no descriptor open", () => manyOfEach(httpsProbe, cases));

test("nothing is said to a server whose certificate is wrong", async () => {
  let heard = "";
  await using server = await tlsServer({ ...www }, (socket) => {
    socket.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
    });
  });
  const outcome = await probeOnce(httpsProbe, target(server.port), { ca, host: "api.example.com" });
  assert.equal(outcome.kind, "fail");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(heard, "");
});

test("the handshake names the host and HTTP/1.1, and the request carries the host as it was given", async () => {
  const seen = { sni: "", alpn: "", request: "" };
  await using server = await tlsServer({ ...www, ALPNProtocols: ["h2", "http/1.1"] }, (socket) => {
    const tls = socket as TLSSocket & { servername?: string };
    seen.sni = tls.servername ?? "";
    seen.alpn = String(tls.alpnProtocol);
    socket.on("data", (chunk: Buffer) => {
      seen.request += chunk.toString();
      socket.write(OK);
    });
  });
  await probeOnce(httpsProbe, target(server.port), { ca, host: "www.example.com:8443" });
  assert.deepEqual(
    { ...seen, request: seen.request.split("\r\n")[1] },
    {
      sni: "www.example.com",
      alpn: "http/1.1",
      request: "host: www.example.com:8443",
    },
  );
});

test("a connection ends in an orderly way", async () => {
  await using server = await tlsServer({ ...www }, reply(OK));
  const prober = open(httpsProbe, target(server.port), trusting);
  for (let i = 0; i < 20; i++) assert.equal(line(await probe(prober, 2000)), "pass: status 200");
  prober.close();
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual([server.seen(), server.resets()], [20, 0]);
});

test("the next probe may begin within the outcome of the last, and has a connection of its own", async () => {
  await using server = await tlsServer({ ...www }, reply(OK));
  const prober = open(httpsProbe, target(server.port, 5000), trusting);
  const seen: string[] = [];
  await new Promise<void>((resolve) => {
    const again = (): void =>
      prober.start((outcome) => {
        seen.push(line(outcome));
        if (seen.length < 20) again();
        else resolve();
      });
    again();
  });
  prober.close();
  assert.deepEqual(new Set(seen), new Set(["pass: status 200"]));
  assert.equal(server.seen(), 20);
});

test("reuse_connection keeps one connection, and the certificate that was right", async () => {
  await using server = await tlsServer({ ...www }, reply(OK));
  const prober = open(httpsProbe, target(server.port), { ...trusting, reuse_connection: "true" });
  for (let i = 0; i < 20; i++) assert.equal(line(await probe(prober, 2000)), "pass: status 200");
  prober.close();
  assert.equal(server.seen(), 1);
});

test("a file of issuers that goes away or breaks later says nothing about the server", async () => {
  await using server = await tlsServer({ ...www }, reply(OK));
  const path = file("going.pem", root.cert);
  const prober = open(httpsProbe, target(server.port), { host, ca: path });
  assert.equal(line(await probe(prober, 2000)), "pass: status 200");
  writeFileSync(path, "nothing\n");
  assert.equal(line(await probe(prober, 2000)), `inconclusive: TLS: ${path} has no certificate in PEM form`);
  rmSync(path);
  assert.equal(line(await probe(prober, 2000)), `inconclusive: TLS: cannot read ${path}: no such file`);
  writeFileSync(path, root.cert);
  assert.equal(line(await probe(prober, 2000)), "pass: status 200");
  prober.close();
});

test("a changed file of issuers counts from the next probe on", async () => {
  await using server = await tlsServer({ ...www }, reply(OK));
  const path = file("changing.pem", otherRoot.cert);
  const prober = open(httpsProbe, target(server.port), { host, ca: path });
  assert.equal((await probe(prober, 2000)).kind, "fail");
  writeFileSync(path, root.cert);
  utimesSync(path, 1, 1);
  assert.equal(line(await probe(prober, 2000)), "pass: status 200");
  prober.close();
});

describe("sessions", () => {
  /** A server that writes down which handshakes resumed a session. */
  async function counting(options: Parameters<typeof tlsServer>[0]): Promise<[NastyServer, boolean[]]> {
    const resumed: boolean[] = [];
    const server = await tlsServer(options, (socket, nth) => {
      resumed.push((socket as TLSSocket).isSessionReused());
      reply(OK)(socket, nth);
    });
    return [server, resumed];
  }

  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const)
    test(`${maxVersion}: are resumed once the certificate was right`, async () => {
      const [server, resumed] = await counting({ ...www, maxVersion });
      await using _server = server;
      const prober = open(httpsProbe, target(server.port), trusting);
      for (let i = 0; i < 4; i++) assert.equal(line(await probe(prober, 2000)), "pass: status 200");
      assert.deepEqual(resumed, [false, true, true, true]);
      prober.close();
    });

  test("are not resumed of a certificate that was wrong, and the answer stays the same", async () => {
    const [server, resumed] = await counting(www);
    await using _server = server;
    const prober = open(httpsProbe, target(server.port), { ca, host: "api.example.com" });
    for (let i = 0; i < 3; i++) assert.match(line(await probe(prober, 2000)), /^fail: certificate is for/);
    // A server does not always see the end of a handshake that we break off.
    assert.ok(!resumed.includes(true));
    prober.close();
  });

  test("a server that comes back with another certificate is found out at once", async () => {
    const [first] = await counting(www);
    const { port } = first;
    const prober = open(httpsProbe, target(port), trusting);
    for (let i = 0; i < 2; i++) assert.equal(line(await probe(prober, 2000)), "pass: status 200");
    await first.close();
    await using _second = await tlsServer({ ...expired }, reply(OK), "127.0.0.1", port);
    assert.equal(line(await probe(prober, 2000)), "fail: certificate expired on 2001-02-03");
    prober.close();
  });

  test("whom we trust is looked at anew when that changes", async () => {
    const [server, resumed] = await counting(www);
    await using _server = server;
    const path = file("trusted-once.pem", root.cert);
    const prober = open(httpsProbe, target(server.port), { host, ca: path });
    for (let i = 0; i < 2; i++) assert.equal(line(await probe(prober, 2000)), "pass: status 200");
    writeFileSync(path, otherRoot.cert);
    utimesSync(path, 1, 1);
    assert.equal((await probe(prober, 2000)).kind, "fail");
    assert.deepEqual(resumed.slice(0, 2), [false, true]);
    assert.ok(!resumed.slice(2).includes(true));
    prober.close();
  });
});

describe("when there are more handshakes to make than can be made at a time", () => {
  /** So many probes that stand in a handshake that does not go on. */
  async function stuck(count: number): Promise<AsyncDisposable> {
    const server = await tcpServer(stall);
    const probers = Array.from({ length: count }, () => open(httpsProbe, target(server.port), trusting));
    for (const prober of probers) prober.start(() => {});
    return {
      async [Symbol.asyncDispose]() {
        for (const prober of probers) prober.close();
        await server.close();
      },
    };
  }

  test("those that get nowhere hold up the others for a moment only", async () => {
    await using server = await tlsServer(www, reply(OK));
    await using _stuck = await stuck(150);
    assert.equal(line(await probeOnce(httpsProbe, target(server.port, 5000), trusting)), "pass: status 200");
  });

  test("a probe that does not get its turn says nothing about the server", async () => {
    await using server = await tlsServer(www, reply(OK));
    await using _stuck = await stuck(400);
    assert.equal(
      line(await probeOnce(httpsProbe, target(server.port, 300), trusting)),
      "inconclusive: director was too busy to connect within 300ms",
    );
    assert.equal(server.seen(), 0);
  });

  test("nor does one that got its turn late and then no answer", async () => {
    await using silent = await tlsServer(www, stall);
    await using _stuck = await stuck(100);
    assert.equal(
      line(await probeOnce(httpsProbe, target(silent.port, 500), trusting)),
      "inconclusive: director was too busy to connect within 500ms",
    );
  });
});
