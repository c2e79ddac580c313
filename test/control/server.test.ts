import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Handler } from "../../src/control/door.ts";
import { type ApiReply, type ApiRequest, json } from "../../src/control/http.ts";
import { type Listening, listenTcp, listenUnix } from "../../src/control/server.ts";
import { parseEndpoint } from "../../src/model/address.ts";

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

type Where = { readonly socketPath: string } | { readonly host: string; readonly port: number };

function ask(where: Where, { method = "GET", path = "/v1/status", headers = {}, body }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { ...where, method, path, agent: false, headers: { host: "director", ...headers } },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on("data", (chunk: Buffer) => chunks.push(chunk));
        reply.on("end", () =>
          resolve({
            status: reply.statusCode ?? 0,
            type: reply.headers["content-type"],
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Says back what it was asked. */
const echo: Handler = async ({ method, path, body, actor, query }: ApiRequest): Promise<ApiReply> =>
  json({ method, path, body, actor, query: query.toString() });

async function unix(
  t: { after(run: () => unknown): void },
  { handler = echo, readOnly = false, mode = 0o660 }: { handler?: Handler; readOnly?: boolean; mode?: number } = {},
): Promise<{ where: { socketPath: string }; door: Listening }> {
  const folder = mkdtempSync(join(tmpdir(), "director-control-"));
  const path = join(folder, "run", "control.sock");
  const door = await listenUnix({ path, mode, group: undefined, readOnly }, handler);
  t.after(async () => {
    await door.close();
    rmSync(folder, { recursive: true });
  });
  return { where: { socketPath: path }, door };
}

describe("the control socket", () => {
  test("passes method, path, query, body and the claimed actor on", async (t) => {
    const { where } = await unix(t);
    const answer = await ask(where, {
      method: "POST",
      path: "/v1/drains/d%2F1/pause?a=b",
      headers: { "director-actor": "alice" },
      body: '{"reason":"x"}',
    });
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(answer.body), {
      method: "POST",
      path: ["v1", "drains", "d/1", "pause"],
      query: "a=b",
      body: { reason: "x" },
      actor: "alice",
    });
  });

  test("has the mode it was given, and none that lets others in meanwhile", async (t) => {
    const { where } = await unix(t, { mode: 0o600 });
    assert.equal(statSync(where.socketPath).mode & 0o777, 0o600);
  });

  const refused: readonly (readonly [what: string, ask: Ask, status: number, words: RegExp])[] = [
    ["a page of another site", { headers: { origin: "http://evil.example" } }, 403, /Origin/],
    ["another Host", { headers: { host: "127.0.0.1" } }, 403, /it is "director"/],
    ["a body that is no JSON", { method: "POST", body: "{" }, 400, /not JSON/],
    ["a body above 1 MiB", { method: "POST", body: " ".repeat(1024 * 1024 + 1) }, 413, /larger than 1 MiB/],
    ["a path that is not encoded properly", { path: "/v1/%zz" }, 400, /path/],
  ];
  for (const [what, question, status, words] of refused)
    test(`refuses ${what} with a problem that says so`, async (t) => {
      const { where } = await unix(t);
      const answer = await ask(where, question);
      assert.deepEqual([answer.status, answer.type], [status, "application/problem+json"]);
      assert.match((JSON.parse(answer.body) as { detail: string }).detail, words);
    });

  test("a body of exactly 1 MiB is taken", async (t) => {
    const { where } = await unix(t);
    const body = `"${"x".repeat(1024 * 1024 - 2)}"`;
    assert.equal((await ask(where, { method: "POST", body })).status, 200);
  });

  test("the read-only one answers GET and nothing else", async (t) => {
    const { where } = await unix(t, { readOnly: true });
    assert.equal((await ask(where)).status, 200);
    for (const method of ["POST", "PUT", "DELETE"]) assert.equal((await ask(where, { method })).status, 405);
  });

  test("a handler that throws is an internal error of that request alone", async (t) => {
    let broken = true;
    const { where } = await unix(t, {
      handler: async () => {
        if (broken) throw new Error("boom");
        return json({});
      },
    });
    const answer = await ask(where);
    assert.equal(answer.status, 500);
    assert.match(answer.body, /boom/);
    broken = false;
    assert.equal((await ask(where)).status, 200);
  });

  test("a stale socket file is replaced, a living one is not, and a file that is no socket neither", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "director-control-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const options = { path: join(folder, "control.sock"), mode: 0o600, group: undefined, readOnly: false };

    // What a killed daemon leaves: a bound socket that nobody listens on any more.
    const stale = createServer();
    await new Promise<void>((resolve) => stale.listen(options.path, resolve));
    const { code } = await import("node:child_process").then(({ spawnSync }) => {
      const left = `${options.path}.left`;
      const script = `require("node:net").createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, "SIGKILL"))`;
      spawnSync(process.execPath, ["-e", script]);
      return { code: existsSync(left) };
    });
    await new Promise((resolve) => stale.close(resolve));
    assert.ok(code, "a killed process leaves its socket file");

    const first = await listenUnix({ ...options, path: `${options.path}.left` }, echo);
    await assert.rejects(
      listenUnix({ ...options, path: `${options.path}.left` }, echo),
      /another director answers there/,
    );
    assert.equal((await ask({ socketPath: `${options.path}.left` })).status, 200);
    await first.close();

    const precious = join(folder, "precious");
    writeFileSync(precious, "no socket");
    await assert.rejects(listenUnix({ ...options, path: precious }, echo), /not a socket/);
    assert.ok(existsSync(precious));
  });

  test("an unknown group is an error that names it and the remedy", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "director-control-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const options = { path: join(folder, "s"), mode: 0o660, group: "no-such-group-here", readOnly: false };
    await assert.rejects(listenUnix(options, echo), /control\.group: .*no-such-group-here.*groupadd/);
    assert.ok(!existsSync(options.path));
  });

  test("a stream goes on until the client leaves, and then its source is let go", async (t) => {
    let stopped = false;
    const { where } = await unix(t, {
      handler: async () => ({
        kind: "stream",
        start(write) {
          const timer = setInterval(() => write("line\n"), 5);
          return () => {
            stopped = true;
            clearInterval(timer);
          };
        },
      }),
    });
    const socket: Socket = connect(where.socketPath);
    t.after(() => socket.destroy());
    socket.write("GET /v1/events?follow=1 HTTP/1.1\r\nHost: director\r\n\r\n");
    let seen = "";
    socket.on("data", (chunk) => {
      seen += chunk;
      if (seen.split("line\n").length > 3) socket.destroy();
    });
    await new Promise((resolve) => socket.on("close", resolve));
    for (let i = 0; i < 200 && !stopped; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.ok(stopped);
  });
});

describe("the door over TCP", () => {
  async function tcp(t: { after(run: () => unknown): void }, hosts: readonly string[] = []) {
    const free = createServer();
    const port = await new Promise<number>((resolve) =>
      free.listen(0, "127.0.0.1", () => resolve((free.address() as { port: number }).port)),
    );
    await new Promise((resolve) => free.close(resolve));
    const door = await listenTcp(parseEndpoint(`127.0.0.1:${port}`)!, hosts, echo);
    t.after(() => door.close());
    return { host: "127.0.0.1", port };
  }

  test("never takes a command, whoever asks", async (t) => {
    const where = await tcp(t);
    assert.equal((await ask(where, { method: "POST", headers: { host: "localhost" } })).status, 405);
  });

  test("answers to addresses, localhost and the names it was given, and to no other Host", async (t) => {
    const where = await tcp(t, ["lb.example.com"]);
    for (const host of ["127.0.0.1:9180", "[::1]:9180", "localhost", "LB.example.com:80"])
      assert.equal((await ask(where, { headers: { host } })).status, 200, host);
    for (const host of ["evil.example", "lb.example.com.evil.example", "director"])
      assert.equal((await ask(where, { headers: { host } })).status, 403, host);
  });

  test("answers its own page, which a browser says it came from, and no other site's", async (t) => {
    const where = await tcp(t, ["lb.example.com"]);
    const from = (host: string, origin: string) => ask(where, { headers: { host, origin } });
    for (const origin of ["http://lb.example.com:9180", "https://lb.example.com:9180"])
      assert.equal((await from("lb.example.com:9180", origin)).status, 200, origin);
    for (const origin of [
      "null",
      "http://lb.example.com",
      "http://evil.example",
      "http://lb.example.com:9180.evil.example",
    ])
      assert.equal((await from("lb.example.com:9180", origin)).status, 403, origin);
    assert.equal((await from("evil.example", "http://evil.example")).status, 403);
  });

  /** Resolves when the other side has closed the connection. */
  function idle(where: { host: string; port: number }, first = ""): { socket: Socket; closed: Promise<number> } {
    const began = performance.now();
    const socket = connect(where);
    socket.on("error", () => {});
    socket.resume();
    if (first !== "") socket.write(first);
    const closed = new Promise<number>((resolve) => socket.on("close", () => resolve(performance.now() - began)));
    return { socket, closed };
  }

  test("64 connections at a time; the next is closed at once, until one has gone", async (t) => {
    const where = await tcp(t);
    const held = Array.from({ length: 64 }, () => idle(where));
    t.after(() => {
      for (const { socket } of held) socket.destroy();
    });
    await Promise.all(held.map(({ socket }) => new Promise((resolve) => socket.once("connect", resolve))));
    await idle(where).closed;
    await assert.rejects(ask(where, { headers: { host: "localhost" } }));
    held[0]!.socket.destroy();
    let answered = 0;
    for (let i = 0; i < 200 && answered !== 200; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      answered = await ask(where, { headers: { host: "localhost" } }).then(
        ({ status }) => status,
        () => 0,
      );
    }
    assert.equal(answered, 200);
  });

  test("whoever has not sent its headers within 5s, or nothing at all, is let go", async (t) => {
    const where = await tcp(t);
    const slow = [idle(where, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "), idle(where)];
    t.after(() => {
      for (const { socket } of slow) socket.destroy();
    });
    const drip = setInterval(() => slow[0]!.socket.write("x"), 200);
    t.after(() => clearInterval(drip));
    // By Node's own default they would stay for up to 35s.
    for (const { closed } of slow) {
      const after = await closed;
      assert.ok(after >= 4_500 && after < 20_000, `${after}`);
    }
  });

  test("a taken port is an error that names the address and the key", async (t) => {
    const where = await tcp(t);
    await assert.rejects(
      listenTcp(parseEndpoint(`127.0.0.1:${where.port}`)!, [], echo),
      new RegExp(`cannot listen on 127.0.0.1:${where.port} \\(http\\.listen\\)`),
    );
  });
});
