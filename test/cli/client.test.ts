import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { apiPath, type Client, createClient, Refused, Unreachable } from "../../src/control/client.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { systemClock } from "../../src/runtime/clock.ts";

const never = new AbortController().signal;

/** Nobody waits half a minute in a test: a thousandth of the time. */
const hurried: Clock = { now: systemClock.now, after: (ms, callback) => systemClock.after(ms / 200, callback) };

describe("the client of the control socket", () => {
  let dir: string;
  let number = 0;
  const servers: { readonly server: Server; readonly open: Set<Socket> }[] = [];
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "director-client-"));
  });
  after(() => {
    for (const { server, open } of servers) {
      server.close();
      for (const socket of open) socket.destroy();
    }
    rmSync(dir, { recursive: true, force: true });
  });

  async function listen(server: Server): Promise<string> {
    const path = join(dir, `${number++}.sock`);
    const open = new Set<Socket>();
    server.on("connection", (socket) => {
      open.add(socket);
      socket.on("error", () => {});
    });
    servers.push({ server, open });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return path;
  }

  const client = (socket: string, clock = systemClock, printable = true): Client =>
    createClient({ clock, socket, actor: "älice", printable });
  const http = async (listener: RequestListener) => client(await listen(createHttpServer(listener)));

  async function unreachable(promise: Promise<unknown>): Promise<Unreachable> {
    const error = await promise.then(
      () => assert.fail("it was answered"),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof Unreachable, String(error));
    return error;
  }

  test("a command says who gives it, what it is and carries its body; the answer comes with its tag", async () => {
    const seen: unknown[] = [];
    const c = await http(async (request, response) => {
      const { host, "director-actor": actor, "content-type": type, "if-match": match } = request.headers;
      const body: string[] = [];
      for await (const chunk of request) body.push(String(chunk));
      seen.push(request.method, request.url, host, actor, type, match, body.join(""));
      response.writeHead(200, { "content-type": "application/json", etag: '"8"' });
      response.end('{"note":"ok"}');
    });
    const answer = await c.send("PUT", apiPath("a b", "[::1]:80"), { x: "é" }, never, { "if-match": '"7"' });
    assert.deepEqual(answer, { body: { note: "ok" }, etag: '"8"' });
    assert.deepEqual(seen, [
      "PUT",
      "/v1/a%20b/%5B%3A%3A1%5D%3A80",
      "director",
      "?lice",
      "application/json",
      '"7"',
      '{"x":"é"}',
    ]);
  });

  test("a refusal keeps its status, its reason and its points; no text of it commands the terminal", async () => {
    const c = await http((_, response) => {
      response.writeHead(409, { "content-type": "application/problem+json" });
      response.end(JSON.stringify({ title: "Conflict", status: 409, detail: "no\u001b[2J\nway", problems: ["one"] }));
    });
    await assert.rejects(c.get("/v1/x", never), (error) => {
      assert.ok(error instanceof Refused);
      assert.deepEqual([error.status, error.message, error.problems], [409, "no [2J way", ["one"]]);
      return true;
    });
  });

  test("texts of a reply are printable; for programs they are as they were sent", async () => {
    const listener: RequestListener = (_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ detail: "a\u001b]0;x\u0007b\u2028c" }));
    };
    const path = await listen(createHttpServer(listener));
    assert.deepEqual((await client(path).get("/", never)).body, { detail: "a ]0;x b c" });
    assert.deepEqual((await client(path, systemClock, false).get("/", never)).body, {
      detail: "a\u001b]0;x\u0007b\u2028c",
    });
  });

  const nobody: readonly (readonly [why: string, path: () => Promise<string> | string, code: string])[] = [
    ["there is no socket", () => join(dir, "gone.sock"), "ENOENT"],
    ["the path leads through a file", () => "/etc/passwd/x", "ENOTDIR"],
    ["the path is a file", () => "/etc/passwd", "ECONNREFUSED"],
    ["the path is too long", () => `/${"x".repeat(200)}`, "EINVAL"],
  ];
  for (const [why, path, code] of nobody)
    test(`unreachable, and nothing was sent: ${why}`, async () => {
      const error = await unreachable(client(await path()).get("/v1/status", never));
      assert.deepEqual([error.code, error.sent], [code, false]);
    });

  const liars: readonly (readonly [why: string, talk: (socket: Socket) => void, what: RegExp])[] = [
    ["closes at once", (socket) => socket.destroy(), /socket hang up/],
    [
      "closes in the middle of the answer",
      (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
      /aborted/,
    ],
    ["says something else", (socket) => socket.end("220 smtp ready\r\n"), /Parse Error/],
    [
      "answers, but no JSON",
      (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
      /not director \(no JSON\)/,
    ],
    [
      "refuses in another way",
      (socket) => socket.end("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"),
      /not director \(404 \)/,
    ],
    ["never answers", () => {}, /no answer within 30 seconds/],
    ["stops half way", (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), /stopped half way/],
  ];
  for (const [why, talk, what] of liars)
    test(`unreachable, though something was sent, if whoever listens ${why}`, async () => {
      const path = await listen(createServer((socket) => socket.once("data", () => talk(socket))));
      const error = await unreachable(client(path, hurried).get("/v1/status", never));
      assert.match(error.message, what);
      assert.equal(error.sent, true);
    });

  test("a stream comes line by line however it is cut, and ends with the connection", async () => {
    const pieces = ['{"seq":1}\n{"se', 'q":2}\n', '\n{"seq":3,"x":"\u00e4"}\n', '{"seq":'];
    const c = await http(async (_, response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      for (const piece of pieces) {
        response.write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.destroy();
    });
    const seen: unknown[] = [];
    const error = await unreachable(
      (async () => {
        for await (const value of c.stream("/v1/events", never)) seen.push(value);
      })(),
    );
    assert.deepEqual(seen, [{ seq: 1 }, { seq: 2 }, { seq: 3, x: "ä" }]);
    assert.equal(error.sent, true);
  });

  test("a stream that is left early, and one that is given up, let go of the connection", async () => {
    let closed = 0;
    const c = await http((_, response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      response.write('{"seq":1}\n');
      response.on("close", () => closed++);
    });
    for await (const value of c.stream("/v1/events", never)) {
      assert.deepEqual(value, { seq: 1 });
      break;
    }
    const stop = new AbortController();
    await assert.rejects(async () => {
      for await (const _ of c.stream("/v1/events", stop.signal)) stop.abort(new Error("enough"));
    }, /enough/);
    while (closed < 2) await new Promise((resolve) => setImmediate(resolve));
  });

  test("a request that is given up ends at once", async () => {
    const path = await listen(createServer(() => {}));
    const stop = new AbortController();
    const asked = client(path).get("/v1/status", stop.signal);
    setImmediate(() => stop.abort(new Error("enough")));
    await assert.rejects(asked, /enough/);
    await assert.rejects(client(path).get("/v1/status", stop.signal), /enough/);
  });
});
