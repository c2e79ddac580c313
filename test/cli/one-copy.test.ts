import assert from "node:assert/strict";
import { test } from "node:test";
import { deserialize, serialize } from "node:v8";
import { oneCopyOfTexts } from "../../src/cli/one-copy.ts";

test("texts that came from another thread are the same value, whatever holds them: objects, arrays, maps, circles, bytes", () => {
  const shared = { kind: "up" };
  const root: Record<string, unknown> = {
    list: ["nat", "nat", 1, null, undefined, true, shared],
    map: new Map<string, unknown>([
      ["a", "nat"],
      ["b", { forwarding: "nat", shared }],
    ]),
    bytes: new Uint8Array([1, 2, 3]),
  };
  root.self = root;
  const copy = deserialize(serialize(root)) as typeof root;
  const before = structuredClone(copy);
  oneCopyOfTexts(copy);
  assert.deepEqual(copy, before);
  assert.equal(copy.self, copy);
  assert.equal((copy.list as unknown[])[6], (copy.map as Map<string, { shared: unknown }>).get("b")?.shared);
});
