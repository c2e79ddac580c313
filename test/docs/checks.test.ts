import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { z } from "zod";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { formatProblem } from "../../src/config/parse.ts";
import { checkSchema } from "../../src/config/service-keys.ts";
import type { CheckSpec } from "../../src/model/probe.ts";
import { probeTypes } from "../../src/probe/registry.ts";
import { certificate } from "../support/certificates.ts";
import { mysql, postgres, redis } from "../support/databases.ts";
import { check, line, probe } from "../support/drive.ts";
import { data, h2, headers } from "../support/h2-frames.ts";
import { type NastyServer, nobodyOnUdp, reply, tcpServer, tlsServer, udpServer } from "../support/nasty-server.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/checks.md"), "utf8");
const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);

/** The certificates of the page's examples, where they can be read. */
const folder = mkdtempSync(join(tmpdir(), "director-docs-"));
after(() => rmSync(folder, { recursive: true }));
const root = certificate({ subject: "Test Root", authority: true });
const server = certificate({ subject: "x", names: ["redis.example.com", "shop.example.com"], issuer: root });
const director = certificate({ subject: "director", issuer: root });
for (const [name, content] of [
  ["ca.pem", root.cert],
  ["director.pem", director.cert],
  ["director.key", director.key],
] as const)
  writeFileSync(join(folder, name), content);

const loaded = blocks.map((block) =>
  loadConfigText(block.replaceAll("/etc/director/tls", folder), "checks.md", import.meta.dirname),
);

describe("docs/checks.md", () => {
  test("has examples", () => assert.ok(blocks.length >= 8, `${blocks.length}`));

  for (const [i, { problems }] of loaded.entries())
    test(`example ${i + 1} is a good file`, () => assert.deepEqual(problems.map(formatProblem), []));

  test("what it links to is there", () => {
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, h]) =>
      h!
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, "")
        .replaceAll(" ", "-"),
    );
    for (const [, target] of text.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(headings.includes(target!), target);
    for (const [, path] of text.matchAll(/\]\(([a-z][^)#:]*)\)/g))
      assert.doesNotThrow(() => readFileSync(join(import.meta.dirname, "../../docs", path!)));
  });

  test("has every common key with its default", () => {
    const { properties = {} } = z.toJSONSchema(checkSchema, { io: "input", unrepresentable: "any" });
    for (const [key, schema] of Object.entries(properties)) {
      const row = new RegExp(`^\\| \`${key}\` \\|.*$`, "m").exec(text)?.[0];
      assert.ok(row !== undefined, `no row for ${key}`);
      const preset = (schema as { default?: string }).default;
      if (preset !== undefined) assert.ok(row.includes(`\`${preset}\``), `${row} without ${preset}`);
    }
  });

  for (const name of ["tcp", "http", "https", "udp"])
    test(`has every key of ${name}`, () => {
      for (const key of keysOf(z.toJSONSchema(probeTypes.get(name)!.options, { io: "input" })))
        assert.match(text, new RegExp(`^\\|.*\`${key.replaceAll(".", "\\.")}\`.*\\|`, "m"), `${name} ${key}`);
    });

  test("shows the problem of a missing file as it is reported", () => {
    const shop = blocks.find((block) => block.includes("name: shop"))!;
    const { problems } = loadConfigText(shop, "director.conf", import.meta.dirname);
    const [first = ""] = problems.map(formatProblem);
    assert.ok(text.includes(`\n${first}\n`), first);
  });
});

/** `expect.status`, `send`: whatever holds a value; the alternatives of a key together. What is below `json` has a table of its own. */
function keysOf(schema: z.core.JSONSchema._JSONSchema, above = ""): readonly string[] {
  if (typeof schema !== "object") return [];
  const inside = [schema, ...(schema.anyOf ?? [])].flatMap((each) =>
    typeof each === "object" ? Object.entries(each.properties ?? {}) : [],
  );
  const keys = inside.flatMap(([key, below]) => {
    if (key === "text" || key === "hex") return [];
    return keysOf(below, above === "json." ? "" : `${above}${key}.`);
  });
  if (keys.length > 0) return keys;
  const own = above.replace(/\.$/, "").replace(/^.*\.json\./, "");
  return own === "" ? [] : [own];
}

/** The first check of a service that the page shows. */
function recipe(name: string): CheckSpec {
  const services = loaded.flatMap(({ config }) => config?.services ?? []);
  const found = services.find((service) => service.name === name)?.servers[0]?.checks[0];
  assert.ok(found, name);
  return found;
}

const greeting = (frames: Buffer) => h2((socket) => socket.write(frames));
const httpReply = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const identity = { requestCert: true, rejectUnauthorized: true, ca: root.cert };
const h2Reply = (body: string): Buffer => Buffer.concat([headers(1, 200), data(1, body, true)]);
const overH2 = (body: string) => (): Promise<NastyServer> =>
  tlsServer({ ...server, ALPNProtocols: ["h2"] }, greeting(h2Reply(body)));
const ntp =
  (first: string, length = 48) =>
  (): Promise<NastyServer> =>
    udpServer((question, from, socket) => {
      // Version 4, from a client.
      if (question.length !== 48 || question[0] !== 0x23) return;
      const answer = Buffer.alloc(length);
      answer.write(first, "hex");
      socket.send(answer, from.port, from.address);
    });

type Row = readonly [name: string, server: string, start: () => Promise<NastyServer>, outcome: string | RegExp];

const rows: readonly Row[] = [
  ["redis", "a server in service", () => tcpServer(redis()), "pass: expected reply"],
  ["redis", "one that loads its data", () => tcpServer(redis({ loading: true })), /^fail: unexpected reply "-LOADING/],
  ["redis", "one with a password", () => tcpServer(redis({ password: "x" })), /^fail: unexpected reply "-NOAUTH/],
  ["redis", "another protocol", () => tcpServer(mysql()), /^fail: unexpected reply hex /],
  ["redis-with-password", "the same", () => tcpServer(redis({ password: "s3cret" })), "pass: expected reply"],
  [
    "redis-with-password",
    "one with another",
    () => tcpServer(redis({ password: "x" })),
    /^fail: unexpected reply "-WRONGPASS/,
  ],
  ["redis-primary", "the primary", () => tcpServer(redis()), "pass: expected reply"],
  ["redis-primary", "a replica", () => tcpServer(redis({ role: "slave" })), /^fail: unexpected reply "\*5/],
  ["redis-tls", "a server that knows us", () => tlsServer({ ...server, ...identity }, redis()), "pass: expected reply"],
  [
    "redis-tls",
    "another protocol, without TLS",
    () => tcpServer(mysql()),
    "fail: TLS handshake failed: the answer is not TLS (a plain HTTP port?)",
  ],
  ["mysql", "a server in service", () => tcpServer(mysql()), "pass: expected reply"],
  ["mysql", "one with too many connections", () => tcpServer(mysql(1040)), /^fail: unexpected reply hex .{8}ff1004/],
  ["mysql", "one that has blocked us", () => tcpServer(mysql(1129)), /^fail: unexpected reply hex .{8}ff6904/],
  ["postgres", "a server in service", () => tcpServer(postgres("ssl")), "pass: expected reply"],
  ["postgres", "one without TLS", () => tcpServer(postgres("plain")), 'fail: unexpected reply "N" of 1 bytes'],
  ["postgres", "one with too many clients", () => tcpServer(postgres("full")), /^fail: unexpected reply .*45/],
  ["postgres-plain", "a server in service", () => tcpServer(postgres("plain")), "pass: expected reply"],
  ["ntp", "a server in step", ntp("24"), "pass: expected reply"],
  ["ntp", "one that is not", ntp("e4"), /^fail: unexpected reply hex e4.* of 48 bytes$/],
  ["ntp", "half a reply", ntp("24", 24), /^fail: unexpected reply hex 24.* of 24 bytes, expected at least 48$/],
  ["syslog", "a server that is there", () => udpServer(() => {}), "pass: no refusal within 2s"],
  ["syslog", "one that is not", () => nobodyOnUdp(), "fail: port unreachable (ICMP)"],
  ["shop", "a server in service", overH2('{"status":"ok"}'), "pass: status 200"],
  ["shop", "one that is not well", overH2('{"status":"ill"}'), 'fail: $.status is "ill", expected "ok"'],
  ["rpc", "a right answer", () => tcpServer(reply(httpReply('{"result":"ready"}'))), "pass: status 200"],
  [
    "rpc",
    "a refusal",
    () => tcpServer(reply(httpReply('{"error":{"code":-32601}}'))),
    "fail: body has nothing at $.result",
  ],
];

describe("a recipe, and", () => {
  for (const [name, what, start, expected] of rows)
    test(`${name}: ${what}`, async () => {
      await using server = await start();
      const { type, options, source, timeout } = recipe(name);
      const endpoint = { address: { family: 4, text: "127.0.0.1" }, port: server.port } as const;
      const prober = probeTypes.get(type)!.open({ endpoint, source, timeout }, options);
      // Over UDP the wait for a better answer is the recipe's own; the others have all the time of a busy machine.
      const outcome = line(await probe(prober, type === "udp" ? timeout : 20_000));
      prober.close();
      check(outcome, expected);
    });
});
