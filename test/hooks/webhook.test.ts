import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { createSecureContext } from "node:tls";
import { certificate } from "../support/certificates.ts";
import {
  closeWithoutReply,
  refuse,
  resetOnAccept,
  stall,
  stallBeforeAccept,
  tcpServer,
} from "../support/nasty-server.ts";
import { bench, down, type Told, until, webhook } from "./support.ts";

interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly got: { readonly told: Told; readonly headers: IncomingMessage["headers"]; readonly path: string }[];
  /** The most requests that were open together. */
  most(): number;
}

/** Answers each request by `status(nth)`, from 1, after `takes` ms. */
async function receiver(
  status: (nth: number) => number,
  {
    takes = 0,
    headers = {},
    server,
  }: { takes?: number; headers?: Record<string, string>; server?: (l: RequestListener) => Server } = {},
): Promise<Receiver> {
  const got: Receiver["got"] = [];
  let open = 0;
  let most = 0;
  const listener: RequestListener = async (request, response) => {
    most = Math.max(most, ++open);
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    got.push({ told: JSON.parse(Buffer.concat(chunks).toString()), headers: request.headers, path: request.url! });
    const nth = got.length;
    if (takes > 0) await new Promise((resolve) => setTimeout(resolve, takes));
    open--;
    response.writeHead(status(nth), headers).end("thanks");
  };
  const listening = server?.(listener) ?? createServer(listener);
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const scheme = server === undefined ? "http" : "https";
  return {
    url: `${scheme}://127.0.0.1:${(listening.address() as AddressInfo).port}/hooks/secret?a=b`,
    got,
    most: () => most,
    async [Symbol.asyncDispose]() {
      listening.closeAllConnections();
      await new Promise((resolve) => listening.close(resolve));
    },
  };
}

describe("a webhook", () => {
  test("is a POST of the event as JSON, with the headers of the file", async () => {
    await using server = await receiver(() => 204);
    await using b = bench();
    const action = { ...webhook("chat", server.url).action, headers: { Authorization: "Bearer x" } };
    b.hooks.use([webhook("chat", server.url, { action })]);
    b.hooks.offer(down(5));
    await until("delivered", () => b.status("chat").delivered === 1);
    const [{ told, headers, path }] = server.got as [Receiver["got"][number]];
    assert.deepEqual([told.version, told.sequence, told.hook, told.to], [1, 5, "chat", "down"]);
    assert.deepEqual(
      [headers["content-type"], headers.authorization, headers["user-agent"], path],
      ["application/json", "Bearer x", "director", "/hooks/secret?a=b"],
    );
    assert.deepEqual(b.log, []);
    assert.equal(b.status("chat").target, new URL(server.url).origin, "the path may be a secret");
  });

  test("sends what the file makes of the event, if it says so: texts with fields, whatever stands in them", async () => {
    await using server = await receiver(() => 200);
    await using b = bench();
    const body = {
      text: "{event} on {hostname}: {message}",
      dedup_key: "{service} {server}",
      list: ["{weight}", { x: "{y z}" }],
    };
    const action = { ...webhook("chat", server.url).action, body };
    b.hooks.use([webhook("chat", server.url, { action })]);
    b.hooks.offer(down(5, { message: 'down: "{actor}"\n$& \\' }));
    await until("delivered", () => b.status("chat").delivered === 1);
    assert.deepEqual(server.got[0]!.told as unknown, {
      text: 'server.down on lb1: down: "{actor}"\n$& \\',
      dedup_key: "web s5",
      list: ["", { x: "{y z}" }],
    });
  });

  test("in order, one at a time, under load", async () => {
    await using server = await receiver(() => 200, { takes: 1 });
    await using b = bench();
    b.hooks.use([webhook("all", server.url)]);
    for (let i = 1; i <= 200; i++) b.hooks.offer(down(i));
    await until("all", () => b.status("all").delivered === 200);
    assert.deepEqual(
      server.got.map(({ told }) => told.sequence),
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
    assert.equal(server.most(), 1);
  });

  test("500 twice, then 200: delivered by the third attempt, and what follows stays behind it", async () => {
    await using server = await receiver((nth) => (nth < 3 ? 500 : 200));
    await using b = bench();
    b.hooks.use([webhook("chat", server.url)]);
    b.hooks.offer(down(1));
    b.hooks.offer(down(2));
    await until("both", () => b.status("chat").delivered === 2);
    assert.deepEqual(
      server.got.map(({ told }) => told.sequence),
      [1, 1, 1, 2],
    );
    assert.deepEqual([b.status("chat").failed, b.log], [0, []]);
  });

  const answers: readonly (readonly [status: number, attempts: number, reason: RegExp])[] = [
    [500, 4, /^status 500 \(4 attempts\)$/],
    [503, 4, /^status 503 \(4 attempts\)$/],
    [429, 4, /^status 429 \(4 attempts\)$/],
    [400, 1, /^status 400$/],
    [404, 1, /^status 404$/],
  ];
  for (const [status, attempts, reason] of answers)
    test(`answered with ${status}: ${attempts === 1 ? "not tried again" : "three more attempts"}, then a warning`, async () => {
      await using server = await receiver(() => status);
      await using b = bench();
      b.hooks.use([webhook("chat", server.url)]);
      b.hooks.offer(down(1));
      await until("failed", () => b.status("chat").failed === 1);
      assert.equal(server.got.length, attempts);
      assert.match(b.status("chat").last!.reason!, reason);
      assert.equal(b.log.length, 1);
      assert.ok(!b.log[0]!.includes("secret"));
    });

  test("a redirect is a failure, and goes nowhere", async () => {
    await using elsewhere = await receiver(() => 200);
    await using server = await receiver(() => 307, { headers: { location: elsewhere.url } });
    await using b = bench();
    b.hooks.use([webhook("chat", server.url)]);
    b.hooks.offer(down(1));
    await until("failed", () => b.status("chat").failed === 1);
    assert.equal(b.status("chat").last!.reason, "status 307 (redirects are not followed)");
    assert.deepEqual([server.got.length, elsewhere.got.length], [1, 0]);
  });

  const broken = [
    ["refuses", refuse, /ECONNREFUSED.*\(4 attempts\)$/],
    ["resets", () => tcpServer(resetOnAccept), /\(4 attempts\)$/],
    ["closes without an answer", () => tcpServer(closeWithoutReply), /other side closed \(4 attempts\)$/],
    ["says nothing", () => tcpServer(stall), /^no answer within 200ms \(4 attempts\)$/],
    ["drops every packet", stallBeforeAccept, /^no answer within 200ms \(4 attempts\)$/],
  ] as const;
  for (const [what, open, reason] of broken)
    test(`a server that ${what} is tried four times`, async () => {
      await using server = await open();
      await using b = bench();
      b.hooks.use([webhook("chat", `http://127.0.0.1:${server.port}/`, { timeout: 200 })]);
      b.hooks.offer(down(1));
      await until("failed", () => b.status("chat").failed === 1);
      assert.match(b.status("chat").last!.reason!, reason);
      if (what === "resets") assert.equal(server.seen(), 4);
      assert.deepEqual(
        process.getActiveResourcesInfo().filter((each) => each === "TCPConnectWrap"),
        [],
        "none is still in the making",
      );
    });

  test("an answer that stops half way was an answer", async () => {
    await using server = await tcpServer((socket) => {
      socket.once("end", () => socket.end());
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"));
    });
    await using b = bench();
    b.hooks.use([webhook("chat", `http://127.0.0.1:${server.port}/`, { timeout: 1_500 })]);
    b.hooks.offer(down(1));
    await until("delivered", () => b.status("chat").delivered === 1);
    assert.equal(server.seen(), 1);
    await until("no connection is kept", () => server.held() === 0);
  });
});

describe("a webhook over TLS", () => {
  const dir = mkdtempSync(join(tmpdir(), "director-hooks-tls-"));
  after(() => rmSync(dir, { recursive: true }));
  const authority = certificate({ subject: "Test CA", authority: true });
  const right = certificate({ subject: "hooks", names: ["127.0.0.1"], issuer: authority });
  const wrong = certificate({ subject: "other", names: ["other.example"], issuer: authority });
  const ca = join(dir, "ca.pem");
  writeFileSync(ca, authority.cert);
  const trust = (wanted: { readonly verify: boolean; readonly ca: string | undefined }) =>
    createSecureContext(wanted.verify && wanted.ca !== undefined ? { ca: readFileSync(wanted.ca) } : {});

  const cases = [
    ["issued by those the file names", right, { verify: true, ca }, undefined],
    ["issued by nobody this machine trusts", right, { verify: true, ca: undefined }, /certificate/],
    ["of another name", wrong, { verify: true, ca }, /does not match|altnames/],
    ["of another name, with verify: false", wrong, { verify: false, ca: undefined }, undefined],
    ["with issuers that cannot be read", right, { verify: true, ca: join(dir, "none.pem") }, /no such file/],
  ] as const;
  for (const [what, server, wanted, reason] of cases)
    test(`a certificate ${what}: ${reason === undefined ? "delivered" : "not delivered"}`, async () => {
      await using https = await receiver(() => 200, {
        server: (listener) => createTlsServer({ key: server.key, cert: server.cert }, listener),
      });
      await using b = bench([], { trust });
      const action = { ...webhook("chat", https.url).action, ...wanted };
      b.hooks.use([webhook("chat", https.url, { action, timeout: 5_000 })]);
      b.hooks.offer(down(1));
      await until("over", () => b.status("chat").last);
      assert.equal(b.status("chat").last!.ok, reason === undefined, b.log.join());
      if (reason !== undefined) assert.match(b.status("chat").last!.reason!, reason);
      assert.equal(https.got.length, reason === undefined ? 1 : 0, "nothing is told to somebody else");
    });
});
