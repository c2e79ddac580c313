import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { MOST_VIEWERS } from "../../src/page/feed.ts";
import { shop } from "./scenes.ts";
import type { Stage } from "./stage.ts";

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const files = readdirSync(join(import.meta.dirname, "../../src/page/client")).filter((name) => !name.endsWith(".json"));

describe("the page over HTTP", () => {
  let scene: Stage;
  before(async () => {
    scene = await shop();
    await scene.run();
  });
  after(() => scene?.close());

  /** @param until ends the answer early, as soon as its text is enough */
  function ask(path: string, headers: Record<string, string> = {}, until = (_: string) => false): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, scene.url), { headers, agent: false }, (response) => {
        let body = "";
        const done = () => resolve({ status: response.statusCode, headers: response.headers, body });
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
          if (!until(body)) return;
          done();
          sent.destroy();
        });
        response.on("end", done);
      });
      sent.on("error", reject);
      sent.end();
    });
  }

  test("everything comes with a policy that lets nothing run, load, send or frame but the page's own files", async () => {
    assert.ok(files.length > 10);
    for (const path of ["/", ...files.map((name) => `/page/${name}`), "/events"]) {
      const { status, headers } = await ask(path, {}, () => true);
      assert.equal(status, 200, path);
      const policy = new Map(
        headers["content-security-policy"]
          ?.toString()
          .split("; ")
          .map((each) => [each.split(" ")[0], each.split(" ").slice(1).join(" ")]),
      );
      const strict = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
      };
      for (const [name, value] of Object.entries(strict)) assert.equal(policy.get(name), value, `${path} ${name}`);
      assert.deepEqual(
        [headers["x-content-type-options"], headers["referrer-policy"], headers["cross-origin-resource-policy"]],
        ["nosniff", "no-referrer", "same-origin"],
      );
    }
  });

  test("types are named, and a browser's copy is only asked after", async () => {
    for (const [path, type] of [
      ["/", "text/html"],
      ["/page/main.js", "text/javascript"],
      ["/page/page.css", "text/css"],
    ] as const) {
      const first = await ask(path);
      assert.equal(first.headers["content-type"], `${type}; charset=utf-8`);
      assert.equal(first.headers["cache-control"], "no-cache");
      const etag = first.headers.etag!;
      const again = await ask(path, { "if-none-match": `"other", W/${etag}` });
      assert.deepEqual([again.status, again.body, again.headers.etag], [304, "", etag]);
      assert.equal((await ask(path, { "if-none-match": '"other"' })).body, first.body);
    }
  });

  test("only files of the page are given out", async () => {
    for (const path of [
      "/page/",
      "/page/tsconfig.json",
      "/page/../pieces.ts",
      "/page/%2e%2e%2fpieces.ts",
      "/page/..%2fpieces.ts",
      "/page/client/main.js",
      "/page/main.js/x",
      "/index",
    ])
      assert.equal((await ask(path)).status, 404, path);
  });

  test("nothing in the page is from elsewhere, and none of its scripts makes markup of text", async () => {
    for (const name of files) {
      const { body } = await ask(name === "index.html" ? "/" : `/page/${name}`);
      assert.doesNotMatch(body.replaceAll("http://www.w3.org/2000/svg", ""), /https?:\/\//, name);
      assert.doesNotMatch(
        body,
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|setHTML/,
        name,
      );
    }
  });

  test("the stream begins with the whole picture", async () => {
    const { headers, body } = await ask("/events", {}, (text) => text.includes("\n\n"));
    assert.equal(headers["content-type"], "text/event-stream");
    assert.equal(headers["cache-control"], "no-store");
    const message = JSON.parse(body.slice("data: ".length)) as { whole: boolean; set: Record<string, object> };
    assert.equal(message.whole, true);
    assert.equal(Object.keys(message.set).filter((key) => key.startsWith("server/web/127.0.1.")).length, 4);
  });

  test("more viewers than there is room for are turned away, and those who ask whether it lives are not", async () => {
    const streams: ReturnType<typeof request>[] = [];
    try {
      for (let i = 0; i < MOST_VIEWERS; i++)
        await new Promise<void>((resolve, reject) => {
          const stream = request(new URL("/events", scene.url), { agent: false }, (response) => {
            response.resume();
            response.on("error", () => {});
            resolve();
          });
          stream.on("error", reject);
          stream.end();
          streams.push(stream);
        });
      const refused = await ask("/events");
      assert.equal(refused.status, 503);
      assert.match(refused.body, /too many look at the page already/);
      assert.equal((await ask("/healthz")).status, 200);
      assert.equal((await ask("/readyz?service=web")).status, 200);
    } finally {
      for (const stream of streams) stream.on("error", () => {}).destroy();
    }
    let status: number | undefined;
    for (let i = 0; i < 100 && status !== 200; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      ({ status } = await ask("/events", {}, () => true));
    }
    assert.equal(status, 200, "room again when they have gone");
  });

  test("the page commands nothing", async () => {
    const statuses = await Promise.all(
      ["POST", "PUT", "DELETE", "PATCH"].flatMap((method) =>
        ["/", "/events", "/page/main.js", "/v1/drains"].map(
          (path) =>
            new Promise<number | undefined>((resolve, reject) => {
              const sent = request(new URL(path, scene.url), { method, agent: false }, (response) => {
                response.resume();
                resolve(response.statusCode);
              });
              sent.on("error", reject);
              sent.end();
            }),
        ),
      ),
    );
    assert.deepEqual([...new Set(statuses)], [405]);
  });
});
