import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { curl } from "../../docs/generate/api-page.ts";
import { openapi } from "../../docs/generate/openapi.ts";
import { OPERATIONS, type Operation } from "../../docs/generate/operations.ts";
import { type Schema, schemasOf } from "../../docs/generate/shapes.ts";
import { WORDS } from "../../src/control/drain-routes.ts";
import { type Bench, bench } from "../cli/support.ts";
import { accepts } from "../config/json-schema.ts";

const document = JSON.parse(JSON.stringify(openapi())) as ReturnType<typeof openapi>;
const hasCurl = spawnSync("curl", ["--version"]).status === 0;

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: unknown;
}

function ask(socketPath: string, method: string, path: string, body?: unknown, more = {}): Promise<Answer> {
  const sent = body === undefined || typeof body === "string" ? (body ?? "") : JSON.stringify(body);
  // Node sends no length of its own with DELETE.
  const headers = { host: "director", "content-length": Buffer.byteLength(sent), ...more };
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, method, path, agent: false, headers }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on("data", (chunk: Buffer) => chunks.push(chunk));
      reply.on("end", () => {
        const type = reply.headers["content-type"];
        resolve({ status: reply.statusCode!, type, body: parsed(Buffer.concat(chunks).toString(), type) });
      });
    });
    asking.on("error", reject);
    asking.end(sent);
  });
}

function parsed(text: string, type: string | undefined): unknown {
  if (type !== "application/x-ndjson") return JSON.parse(text);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
}

/** The document's schemas as a test wants them: what it does not name must not come, so that nothing comes that it does not name. */
function strict(schema: Schema): Schema {
  const merged = Array.isArray(schema.allOf) ? mergedMap(schema.allOf as Schema[]) : schema;
  const entries = Object.entries(merged).flatMap(([key, value]): [string, unknown][] => {
    if (key === "oneOf") return [["anyOf", (value as Schema[]).map(strict)]];
    if (key === "anyOf" || key === "prefixItems") return [[key, (value as Schema[]).map(strict)]];
    if (key === "items") return [[key, strict(value as Schema)]];
    if (key === "properties")
      return [
        [key, Object.fromEntries(Object.entries(value as Record<string, Schema>).map(([k, v]) => [k, strict(v)]))],
      ];
    if (key === "$ref") return [[key, String(value).replace("#/components/schemas/", "#/$defs/")]];
    return key === "exclusiveMinimum" || key === "maxItems" ? [] : [[key, value]];
  });
  const closed = merged.properties !== undefined && merged.additionalProperties === undefined;
  return { ...Object.fromEntries(entries), ...(closed ? { additionalProperties: false } : {}) };
}

function mergedMap(parts: readonly Schema[]): Schema {
  const maps = parts.map((part) => document.components.schemas[String(part.$ref).split("/").at(-1)!]!);
  return {
    type: "object",
    properties: Object.assign({}, ...maps.map(({ properties }) => properties)) as Schema,
    required: maps.flatMap(({ required }) => (required ?? []) as string[]),
  };
}

const $defs = Object.fromEntries(Object.entries(document.components.schemas).map(([name, s]) => [name, strict(s)]));

/** What in a reply is not as the document has it for this status. */
function mismatches(operation: Operation, answer: Answer): readonly string[] {
  const { method, path } = operation;
  const { responses } = document.paths[path]![method.toLowerCase()] as { responses: Record<string, Schema> };
  const response = responses[answer.status];
  if (response === undefined) return [`${method} ${path}: status ${answer.status} is not in the document`];
  const [type, { schema }] = Object.entries(response.content as Record<string, { schema: Schema }>)[0]!;
  if (answer.type !== type) return [`${method} ${path}: ${answer.type} instead of ${type}`];
  const bodies = type === "application/x-ndjson" ? (answer.body as unknown[]) : [answer.body];
  return bodies.flatMap((body) => accepts({ $defs, ...strict(schema) }, body)).slice(0, 10);
}

/** The web service has one healthy server with weight. */
const BARE = { minCapacity: 0, allowEmpty: true };

const find = (method: string, path: string) => OPERATIONS.find((o) => o.method === method && o.path === path)!;
const filled = (path: string) => path.replace("{service}", "web").replace("{server}", "old").replace("{drain}", "web");

describe("the OpenAPI document", () => {
  test("names only what is in it, and each operation once", () => {
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(([, target]) => target!);
    for (const target of refs) {
      const name = /^#\/components\/schemas\/(\w+)$/.exec(target)?.[1];
      assert.ok(name !== undefined && document.components.schemas[name] !== undefined, target);
    }
    const ids = Object.values(document.paths).flatMap((path) =>
      Object.values(path).map(({ operationId }) => operationId),
    );
    assert.deepEqual(
      ids.filter((id, i) => ids.indexOf(id) !== i),
      [],
    );
  });

  test("an interface that it cannot read is an error, not an empty schema", () => {
    assert.throws(() => schemasOf(["NoSuchReply"]), /0 interfaces or types NoSuchReply/);
  });

  describe("and a daemon", () => {
    let b: Bench;
    before(async () => {
      b = await bench();
      await b.daemon();
    });
    after(() => b.close());

    test("every route of the daemon is in the document, and every one of the document is a route", async () => {
      const reasonAt = async (path: string, method = "GET") =>
        ((await ask(b.socket, method, path)).body as { detail: string }).detail;
      const listed = (words: string) =>
        words
          .slice(words.indexOf("there are ") + "there are ".length)
          .split(", ")
          .sort();
      const paths = OPERATIONS.map(({ path }) => path.split("/").slice(2));
      const unique = (words: readonly (string | undefined)[]) => [...new Set(words)].sort();
      assert.deepEqual(listed(await reasonAt("/v1/nothing")), unique(paths.map(([first]) => first)));
      assert.deepEqual(
        listed(await reasonAt("/v1/services/web/servers/old/nothing", "POST")),
        unique(paths.filter(([first]) => first === "services").map(([, , , , word]) => word)),
      );
      assert.deepEqual(
        [...WORDS].sort(),
        unique(paths.filter(([first, , word]) => first === "drains" && word !== undefined).map(([, , word]) => word)),
      );
      // What the handlers really know, in case the lists above are behind.
      const source = readFileSync(join(import.meta.dirname, "../../src/control/handlers.ts"), "utf8");
      for (const [, word] of source.matchAll(/case "([\w-]+)":/g))
        assert.ok(
          paths.some((path) => path.includes(word!)),
          `handlers.ts knows ${word}`,
        );
    });

    test("each path takes the methods of the document and no other", async (t) => {
      t.after(() => b.reset());
      assert.equal(
        (await ask(b.socket, "POST", "/v1/drains", { service: "web", from: ["old"], to: ["new"], now: true })).status,
        201,
      );
      for (const path of new Set(OPERATIONS.map((o) => o.path)))
        for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH"]) {
          if (OPERATIONS.some((o) => o.path === path && o.method === method)) continue;
          const { status, body } = await ask(b.socket, method, filled(path), {});
          assert.equal(status, 405, `${method} ${path}: ${JSON.stringify(body)}`);
        }
    });

    test("the examples of api.md do what it says", async (t) => {
      t.after(() => b.reset());
      for (const operation of OPERATIONS) {
        const { method, path, example } = operation;
        if (path.includes("drain")) await prepared(operation);
        const answer = method === "PUT" ? await putIntent(operation) : await tried(operation);
        assert.ok(answer.status < 300, `${method} ${example.path}: ${answer.status} ${JSON.stringify(answer.body)}`);
        assert.deepEqual(mismatches(operation, answer), [], `${method} ${example.path}`);
      }
    });

    /** With curl where there is one, word for word. */
    async function tried(operation: Operation): Promise<Answer> {
      const { method, example } = operation;
      if (!hasCurl) return ask(b.socket, method, example.path, example.body);
      const command = `${curl(operation, b.socket)} -sS -w '\\n%{http_code} %{content_type}'`;
      const { stdout, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
      const [, text, status, type] =
        /^([\s\S]*)\n(\d+) (.*)$/.exec(stdout) ?? assert.fail(`${command}: ${stdout}${stderr}`);
      return { status: Number(status), type, body: parsed(text!, type) };
    }

    /** The revision in the example is that of a director that nothing was commanded to yet. */
    async function putIntent(operation: Operation): Promise<Answer> {
      const { body } = await ask(b.socket, "GET", "/v1/intent");
      const file = join(b.dir, "intent.json");
      writeFileSync(file, JSON.stringify(body));
      const headers = { "If-Match": `"${(body as { revision: number }).revision}"` };
      const example = { ...operation.example, headers, body: `@${file}` };
      return hasCurl
        ? tried({ ...operation, example })
        : ask(b.socket, "PUT", operation.path, body, { "if-match": headers["If-Match"] });
    }

    /** A drain of its own for each example that is about one: begun, and where it may be ordered what the example orders. */
    async function prepared({ path }: Operation): Promise<void> {
      await b.reset();
      if (path === "/v1/drains") return;
      const { body } = find("POST", "/v1/drains").example;
      assert.equal((await ask(b.socket, "POST", "/v1/drains", body)).status, 201);
      while ((await b.status()).drains.some(({ state }) => state === "pending")) await new Promise(setImmediate);
      if (path.endsWith("/resume")) await ask(b.socket, "POST", "/v1/drains/web/pause", {});
      if (path.endsWith("/undrain")) await ask(b.socket, "POST", "/v1/drains/web/finish", {});
    }

    test("what it says of GET holds with much under way, too", async (t) => {
      t.after(() => b.reset());
      const post = (path: string, body: unknown) => ask(b.socket, "POST", path, body);
      await post("/v1/services/list/servers/a/disable", { reason: "test", until: Date.now() + 3_600_000 });
      await post("/v1/services/list/servers/b/weight", { weight: 7 });
      await post("/v1/freeze", { service: "list", forMs: 60_000 });
      await post("/v1/drains", { host: "127.0.0.2", overMs: 600_000, everyMs: 60_000, ttlMs: 3_600_000, ...BARE });
      await post("/v1/reload", {});
      const { drains } = await b.status();
      assert.equal(drains.filter((d) => d.parent !== undefined).length, 2);
      for (const operation of OPERATIONS.filter((o) => o.method === "GET")) {
        const answer = await ask(b.socket, "GET", operation.example.path);
        assert.deepEqual([answer.status, mismatches(operation, answer)], [200, []], operation.path);
      }
      const status = find("GET", "/v1/status");
      const more = { status: 200, type: "application/json", body: { ...(await b.status()), secret: 1 } };
      assert.deepEqual(mismatches(status, more), ["/secret is not known"]);
      const parent = await ask(b.socket, "GET", `/v1/drains/${drains.find((d) => d.parent)!.parent!.id}`);
      assert.deepEqual(mismatches(find("GET", "/v1/drains/{drain}"), parent), []);
      const plan = await post("/v1/drains", { service: "web", from: ["new"], now: true, dryRun: true });
      assert.deepEqual(mismatches(find("POST", "/v1/drains"), plan), [], JSON.stringify(plan.body));
      await post("/v1/thaw", {});
    });

    test("a plan without a drain fits, of a service and of a machine", async () => {
      for (const body of [
        { service: "web", from: ["old"], to: ["new"], steps: [0.5, 1], everyMs: 1_000, dryRun: true },
        { host: "127.0.0.2", now: true, dryRun: true, ...BARE },
      ]) {
        const answer = await ask(b.socket, "POST", "/v1/drains", body);
        assert.deepEqual([answer.status, mismatches(find("POST", "/v1/drains"), answer)], [200, []]);
      }
    });

    const refusals: readonly (readonly [
      what: string,
      method: string,
      path: string,
      template: string,
      body: unknown,
      status: number,
    ])[] = [
      [
        "an unknown server",
        "POST",
        "/v1/services/web/servers/nobody/enable",
        "/v1/services/{service}/servers/{server}/enable",
        {},
        404,
      ],
      ["an unknown field", "POST", "/v1/freeze", "/v1/freeze", { forMs: 60_000, fro: 1 }, 400],
      [
        "a weight out of range",
        "POST",
        "/v1/services/web/servers/old/weight",
        "/v1/services/{service}/servers/{server}/weight",
        { weight: -1 },
        400,
      ],
      ["a body that is no JSON", "POST", "/v1/reload", "/v1/reload", "{", 400],
      ["a body that is too large", "POST", "/v1/reload", "/v1/reload", " ".repeat(1_100_000), 413],
      [
        "a drain that leaves nobody",
        "POST",
        "/v1/drains",
        "/v1/drains",
        { service: "web", from: ["old", "new", "dead"], now: true },
        409,
      ],
      ["an unknown drain", "GET", "/v1/drains/d-none", "/v1/drains/{drain}", undefined, 404],
      ["an order to an unknown drain", "POST", "/v1/drains/d-none/pause", "/v1/drains/{drain}/pause", {}, 404],
      ["a strange sequence number", "GET", "/v1/events?after=x", "/v1/events", undefined, 400],
      ["an intent without its revision", "PUT", "/v1/intent", "/v1/intent", {}, 428],
      ["a plan of a bad file", "POST", "/v1/plan", "/v1/plan", { files: { file: "x", text: "servics: []" } }, 422],
    ];
    for (const [what, method, path, template, body, status] of refusals)
      test(`${what} is refused with a problem that is in the document`, async () => {
        const answer = await ask(b.socket, method, path, body);
        assert.equal(answer.status, status, JSON.stringify(answer.body));
        assert.equal(answer.type, "application/problem+json");
        assert.deepEqual(mismatches(find(method, template), answer), []);
      });

    test("so are an outdated intent, a bad file at a reload, and one that removes too much", async (t) => {
      t.after(() => b.reset());
      const { body: intent } = await ask(b.socket, "GET", "/v1/intent");
      const old = await ask(b.socket, "PUT", "/v1/intent", intent, { "if-match": '"999999"' });
      assert.deepEqual([old.status, mismatches(find("PUT", "/v1/intent"), old)], [412, []]);
      const good = readFileSync(b.conf, "utf8");
      for (const [text, status] of [
        [good.replace("services:", "servics:"), 422],
        [good.slice(0, good.indexOf("  - name: list")), 409],
      ] as const) {
        writeFileSync(b.conf, text);
        const answer = await ask(b.socket, "POST", "/v1/reload", {});
        assert.deepEqual(
          [answer.status, mismatches(find("POST", "/v1/reload"), answer)],
          [status, []],
          JSON.stringify(answer.body),
        );
      }
    });
  });
});
