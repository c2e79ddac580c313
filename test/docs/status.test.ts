import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { type Bench, bench } from "../cli/support.ts";
import { statusSchema } from "./status-schema.ts";

const file = join(import.meta.dirname, "../../docs/status.schema.json");

/** UPDATE_SCHEMA=1 writes it; `biome check --write` gives it its form. */
test("docs/status.schema.json is what director status --json is held against", () => {
  const made = JSON.parse(JSON.stringify(z.toJSONSchema(statusSchema)));
  if (process.env.UPDATE_SCHEMA === "1") writeFileSync(file, `${JSON.stringify(made, undefined, 2)}\n`);
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), made, "run this test with UPDATE_SCHEMA=1");
});

describe("director status --json", () => {
  let b: Bench;
  before(async () => {
    b = await bench();
    await b.daemon();
  });
  after(() => b.close());

  test("says what the schema says, and nothing beside it: in peace, while drained, disabled, frozen and after a bad reload", async () => {
    const look = async () => {
      const { stdout } = await b.cli("status", "--json");
      const read = statusSchema.safeParse(JSON.parse(stdout));
      assert.ok(read.success, read.error?.message);
      return read.data;
    };
    assert.ok((await look()).services.every(({ connectionsPerSecond }) => connectionsPerSecond === 0));
    await b.cli("disable", "list", "a", "--reason", "kernel update", "--until", "2h");
    await b.cli("weight", "list", "b", "55");
    await b.cli("drain", "web", "--from", "old", "--to", "new", "--over", "10m", "--every", "30s", "--detach");
    await b.cli("drain", "pause", "web", "--reason", "lunch");
    await b.cli("freeze", "api", "--for", "30m");
    writeFileSync(b.conf, `${readFileSync(b.conf, "utf8")}\nflurb: 1\n`);
    await b.cli("reload");
    const { freezes, drains, services, config } = await look();
    assert.deepEqual([freezes.length, drains[0]?.state, config.lastReload?.ok], [1, "paused", false]);
    const [a, other] = services.find(({ name }) => name === "list")!.servers;
    assert.deepEqual([a!.disabled?.reason, other!.override?.weight], ["kernel update", 55]);
  });
});
