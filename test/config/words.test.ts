import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { canonical } from "../../src/config/canonical.ts";
import { formatPath } from "../../src/config/problems.ts";
import { nearest } from "../../src/config/suggest.ts";

describe("did you mean", () => {
  const known = ["weight", "interval", "fast_interval", "fall", "rise", "vip", "vips", "name"];
  const rows: readonly [typed: string, meant: string | undefined][] = [
    ["wieght", "weight"],
    ["Weight", "weight"],
    ["fastInterval", "fast_interval"],
    ["fast-interval", "fast_interval"],
    ["fal", "fall"],
    ["vps", "vips"],
    ["nmae", "name"],
    ["flurb", undefined],
    ["x", undefined],
    ["", undefined],
    ["-", undefined],
    ["a".repeat(100_000), undefined],
  ];
  for (const [typed, meant] of rows)
    test(`${typed.slice(0, 20)}: ${meant}`, () => assert.equal(nearest(typed, known), meant));
});

describe("canonical text", () => {
  test("is equal for equal data in any order of keys, and different for different data", () => {
    assert.equal(canonical({ a: 1, b: [true, "x"], c: undefined }), canonical({ b: [true, "x"], a: 1 }));
    const different = [
      null,
      undefined,
      "null",
      0,
      "0",
      [],
      {},
      [undefined],
      ["a", "b"],
      ["a,b"],
      ["b", "a"],
      { a: "b" },
      { b: "a" },
      { a: { b: 1 } },
      Uint8Array.of(1, 2),
      Uint8Array.of(18),
      Buffer.from("x"),
      /a/,
      /a/i,
      new Map([["a", "b"]]),
      new Set(["a"]),
      10n,
      true,
    ].map(canonical);
    assert.equal(new Set(different).size, different.length);
  });

  test("what cannot be compared is refused", () => assert.throws(() => canonical({ a: () => 1 }), TypeError));
});

test("paths are printed as they are typed, odd keys in quotes", () => {
  assert.equal(formatPath(["services", 0, "servers", 2, "wieght"]), "services[0].servers[2].wieght");
  assert.equal(formatPath(["pools", "a.b", "servers"]), 'pools["a.b"].servers');
  assert.equal(formatPath(["a b"]), '["a b"]');
  assert.equal(formatPath([]), "");
});
