import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseIptablesSave } from "../../src/doctor/iptables.ts";
import { mayBeMarked } from "../../src/doctor/marks.ts";
import { parseNft } from "../../src/doctor/nft.ts";
import { sourceNat } from "../../src/doctor/source-nat.ts";
import { parseAddress } from "../../src/model/address.ts";
import { ok } from "../../src/model/result.ts";

interface Recorded {
  /** What was given to nft. */
  readonly rules: string;
  /** What `nft -j list ruleset` then printed. */
  readonly printed: unknown;
  /** What iptables-save printed. */
  readonly saved?: string;
}

/** nft 1.0.6 and iptables 1.8.9, each ruleset in a network namespace of its own. */
const recorded = JSON.parse(readFileSync(join(import.meta.dirname, "recorded-nft.json"), "utf8")) as Readonly<
  Record<string, Recorded>
>;

const server = parseAddress("10.9.0.11")!;
const rulesOf = ({ printed, saved = "" }: Recorded) => ({
  iptables: ok(parseIptablesSave(saved, 4)),
  ip6tables: ok([]),
  nft: ok(parseNft(JSON.stringify(printed))),
});
/** A client's packet for 192.0.2.10:80, on its way to 10.9.0.11:8080 by eth1. */
const isRewritten = (each: Recorded) =>
  sourceNat(
    {
      method: "MASQ",
      vip: { address: parseAddress("192.0.2.10")!, port: 80 },
      mark: undefined,
      protocol: "tcp",
      server,
      destination: server,
      port: 8080,
      out: "eth1",
      client: "anyone",
      elsewhere: [],
    },
    { rules: rulesOf(each), ipsets: ok(new Map()) },
  ).answer;

describe("what nft -j printed", () => {
  const REWRITTEN = {
    "masquerade on the way to the servers": "yes",
    "masquerade towards the other side": "no",
    "snat for one server and port": "yes",
    "snat for another port": "no",
    "a named set with the server": "yes",
    "a named set of nets": "yes",
    "an element with a timeout, and a jump": "yes",
    "an exception in front": "no",
    "a table for both families": "yes",
    "IPv6 alone": "no",
    "made by iptables-nft": "yes",
  } as const;
  const MARKED = {
    "a mark is set": true,
    "another mark is set": false,
    "a bit of the mark is set": true,
    "another bit of the mark is set": false,
    "the mark of the connection": true,
    "a map of marks": true,
    "the mark of the connection is set, not the packet's": false,
    "made by iptables-nft": true,
  } as const;

  for (const [name, wanted] of Object.entries(REWRITTEN))
    test(`${name}: the client's address is rewritten: ${wanted}`, () => {
      assert.equal(isRewritten(recorded[name]!), wanted, recorded[name]!.rules);
    });

  for (const [name, wanted] of Object.entries(MARKED))
    test(`${name}: packets may carry mark 7: ${wanted}`, () => {
      assert.equal(mayBeMarked(7, 4, rulesOf(recorded[name]!)), wanted, recorded[name]!.rules);
    });

  test("all that was recorded is judged", () => {
    assert.deepEqual(Object.keys(recorded).sort(), Object.keys({ ...REWRITTEN, ...MARKED }).sort());
  });

  test("other JSON, or none, is refused rather than taken for no rules", () => {
    assert.throws(() => parseNft("{}"));
    assert.throws(() => parseNft(""));
  });
});
