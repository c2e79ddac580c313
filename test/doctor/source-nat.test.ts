import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseIptablesSave } from "../../src/doctor/iptables.ts";
import { parseNet } from "../../src/doctor/nets.ts";
import { parseNft } from "../../src/doctor/nft.ts";
import { type Passing, sourceNat } from "../../src/doctor/source-nat.ts";
import { parseAddress } from "../../src/model/address.ts";
import { err, ok } from "../../src/model/result.ts";
import { chain, jump, masquerade, match, rule, set, table } from "./nft-text.ts";

/** A client's packet for the VIP 192.0.2.10:80, on its way to 10.9.0.11:8080 by eth1. */
const PACKET: Passing = {
  method: "MASQ",
  vip: { address: parseAddress("192.0.2.10")!, port: 80 },
  mark: undefined,
  protocol: "tcp",
  server: parseAddress("10.9.0.11")!,
  destination: parseAddress("10.9.0.11")!,
  port: 8080,
  out: "eth1",
  client: "anyone",
  elsewhere: [parseNet("172.17.0.1/16")!],
};

const nothing = { iptables: ok([]), ip6tables: ok([]), nft: ok([]) };
const noSets = ok(new Map<string, readonly string[]>());

const byIptables = (
  lines: string,
  packet: Partial<Passing> = {},
  ipsets: Readonly<Record<string, readonly string[]>> = {},
) =>
  sourceNat(
    { ...PACKET, ...packet },
    {
      rules: { ...nothing, iptables: ok(parseIptablesSave(`*nat\n:POSTROUTING ACCEPT [0:0]\n${lines}\nCOMMIT\n`, 4)) },
      ipsets: ok(new Map(Object.entries(ipsets))),
    },
  ).answer;

describe("iptables: whether a rule rewrites the source address", () => {
  for (const [rules, wanted] of [
    ["", "no"],
    ["-A POSTROUTING -j MASQUERADE", "yes"],
    ["-A POSTROUTING -j SNAT --to-source 10.9.0.1", "yes"],
    ["-A POSTROUTING -o eth1 -j MASQUERADE", "yes"],
    ["-A POSTROUTING -o eth0 -j MASQUERADE", "no"],
    ["-A POSTROUTING -o eth+ -j MASQUERADE", "yes"],
    ["-A POSTROUTING ! -o eth1 -j MASQUERADE", "no"],
    ["-A POSTROUTING -m ipvs --vaddr 192.0.2.10 -j MASQUERADE", "yes"],
    ["-A POSTROUTING -m ipvs --vaddr 192.0.2.0/24 -j MASQUERADE", "yes"],
    ["-A POSTROUTING -m ipvs --vaddr 192.0.2.11 -j MASQUERADE", "no"],
    ["-A POSTROUTING -m ipvs ! --vaddr 192.0.2.11 -j MASQUERADE", "yes"],
    ["-A POSTROUTING -m ipvs --ipvs -j MASQUERADE", "yes"],
    ["-A POSTROUTING -m ipvs ! --ipvs -j MASQUERADE", "no"],
    [
      "-A POSTROUTING -m ipvs --vproto 6 --vaddr 192.0.2.10 --vport 80 --vdir ORIGINAL --vmethod MASQ -j MASQUERADE",
      "yes",
    ],
    ["-A POSTROUTING -m ipvs --vproto 17 --vaddr 192.0.2.10 -j MASQUERADE", "no"],
    ["-A POSTROUTING -m ipvs --vaddr 192.0.2.10 --vport 81 -j MASQUERADE", "no"],
    ["-A POSTROUTING -m ipvs --vdir REPLY -j MASQUERADE", "no"],
    ["-A POSTROUTING -m ipvs --vmethod GATE -j MASQUERADE", "no"],
    ["-A POSTROUTING -d 10.9.0.0/24 -p tcp -m tcp --dport 8080 -j MASQUERADE", "yes"],
    ["-A POSTROUTING -d 10.9.0.0/255.255.255.0 -p tcp -m multiport --dports 80,8000:8100 -j MASQUERADE", "yes"],
    ["-A POSTROUTING -p tcp -m tcp --dport 80 -j MASQUERADE", "no"],
    ["-A POSTROUTING -p udp -j MASQUERADE", "no"],
    ["-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", "no"],
    ["-A POSTROUTING -s 198.51.100.0/24 -j MASQUERADE", "maybe"],
    ["-A POSTROUTING -s 10.9.0.11/32 -d 10.9.0.11/32 -j MASQUERADE", "no"],
    ['-A POSTROUTING -m comment --comment "for -j nobody" -j MASQUERADE', "yes"],
    ["-A POSTROUTING -m conntrack --ctstate NEW -j MASQUERADE", "maybe"],
    ["-A POSTROUTING -j RETURN\n-A POSTROUTING -j MASQUERADE", "no"],
    ["-A POSTROUTING -d 10.9.0.11 -j ACCEPT\n-A POSTROUTING -j MASQUERADE", "no"],
    ["-A POSTROUTING -d 10.9.0.12 -j ACCEPT\n-A POSTROUTING -j MASQUERADE", "yes"],
    ["-A POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n-A POSTROUTING -j MASQUERADE", "maybe"],
    [":FULL - [0:0]\n-A POSTROUTING -o eth1 -j FULL\n-A FULL -j MASQUERADE", "yes"],
    [":FULL - [0:0]\n-A POSTROUTING -o eth0 -j FULL\n-A FULL -j MASQUERADE", "no"],
    [":FULL - [0:0]\n-A POSTROUTING -j FULL\n-A FULL -j RETURN\n-A POSTROUTING -j MASQUERADE", "yes"],
    [":LOOP - [0:0]\n-A POSTROUTING -j LOOP\n-A LOOP -j LOOP", "no"],
    ["-A OUTPUT -j MASQUERADE", "no"],
  ] as const)
    test(`${rules.replaceAll("\n", "; ") || "nothing"}: ${wanted}`, () => assert.equal(byIptables(rules), wanted));

  test("a mark is known of packets of a service by firewall mark", () => {
    const rules = "-A POSTROUTING -m mark --mark 0x7 -j MASQUERADE";
    assert.equal(byIptables(rules, { vip: undefined, mark: 7 }), "yes");
    assert.equal(byIptables(rules, { vip: undefined, mark: 8 }), "no");
  });

  test("sets are looked into: for the server as its own client, and for others", () => {
    const rules = "-A POSTROUTING -m set --match-set LOOP dst,dst,src -j MASQUERADE";
    const own = { LOOP: ["10.9.0.11,tcp:8080,10.9.0.11"] };
    const cases: readonly [Readonly<Record<string, readonly string[]>>, string, string][] = [
      [own, "yes", "no"],
      [{ LOOP: ["10.9.0.12,tcp:8080,10.9.0.12"] }, "no", "no"],
      [{ LOOP: ["10.9.0.11,tcp:80,10.9.0.11"] }, "no", "no"],
      [{ LOOP: ["10.9.0.11,udp:8080,10.9.0.11"] }, "no", "no"],
      [{ LOOP: ["10.9.0.11,tcp:8080,198.51.100.7"] }, "no", "maybe"],
      [{ LOOP: [] }, "no", "no"],
      [{}, "maybe", "maybe"],
    ];
    for (const [sets, itself, anyone] of cases) {
      assert.equal(byIptables(rules, { client: "itself" }, sets), itself, JSON.stringify(sets));
      assert.equal(byIptables(rules, {}, sets), anyone, JSON.stringify(sets));
    }
  });

  test("what cannot be read may be anything", () => {
    const rules = { ...nothing, iptables: err("permission denied") };
    assert.equal(sourceNat(PACKET, { rules, ipsets: noSets }).answer, "maybe");
  });
});

describe("nftables: whether a rule rewrites the source address", () => {
  const byNft = (...objects: readonly unknown[]) =>
    sourceNat(PACKET, {
      rules: { ...nothing, nft: ok(parseNft(JSON.stringify({ nftables: objects }))) },
      ipsets: noSets,
    }).answer;
  const nat = (...exprs: readonly (readonly unknown[])[]) => [
    table(),
    chain("post", "postrouting"),
    ...exprs.map((expr) => rule("post", expr)),
  ];
  const oif = (name: string) => match({ meta: { key: "oifname" } }, name);
  const daddr = (right: unknown) => match({ payload: { protocol: "ip", field: "daddr" } }, right);
  const dport = (right: unknown) => match({ payload: { protocol: "tcp", field: "dport" } }, right);

  for (const [what, objects, wanted] of [
    ["nothing", [], "no"],
    ["masquerade", nat([masquerade]), "yes"],
    ["counter masquerade", nat([{ counter: { packets: 0, bytes: 0 } }, masquerade]), "yes"],
    ["snat to 10.9.0.1", nat([{ snat: { addr: "10.9.0.1" } }]), "yes"],
    ["oifname eth1 masquerade", nat([oif("eth1"), masquerade]), "yes"],
    ["oifname eth0 masquerade", nat([oif("eth0"), masquerade]), "no"],
    ["oifname != eth1 masquerade", nat([match({ meta: { key: "oifname" } }, "eth1", "!="), masquerade]), "no"],
    ['oifname "eth*" masquerade', nat([oif("eth*"), masquerade]), "yes"],
    ["ip daddr 10.9.0.11 masquerade", nat([daddr("10.9.0.11"), masquerade]), "yes"],
    ["ip daddr 10.9.0.0/24", nat([daddr({ prefix: { addr: "10.9.0.0", len: 24 } }), masquerade]), "yes"],
    ["ip daddr 10.9.0.10-10.9.0.20", nat([daddr({ range: ["10.9.0.10", "10.9.0.20"] }), masquerade]), "yes"],
    ["ip daddr { 10.9.0.12 }", nat([daddr({ set: ["10.9.0.12"] }), masquerade]), "no"],
    [
      "ip daddr { 10.9.0.11, 10.9.0.12 } tcp dport 8080",
      nat([daddr({ set: ["10.9.0.11", "10.9.0.12"] }), dport(8080), masquerade]),
      "yes",
    ],
    ["tcp dport { 80, 8000-8100 }", nat([dport({ set: [80, { range: [8000, 8100] }] }), masquerade]), "yes"],
    ["tcp dport 80", nat([dport(80), masquerade]), "no"],
    ["meta l4proto udp", nat([match({ meta: { key: "l4proto" } }, "udp"), masquerade]), "no"],
    ["ip daddr @servers", [set("servers", ["10.9.0.11"]), ...nat([daddr("@servers"), masquerade])], "maybe"],
    [
      "ip daddr @servers, known",
      [table(), set("servers", ["10.9.0.11"]), ...nat([daddr("@servers"), masquerade]).slice(1)],
      "yes",
    ],
    [
      "ip daddr @servers, another",
      [table(), set("servers", ["10.9.0.12"]), ...nat([daddr("@servers"), masquerade]).slice(1)],
      "no",
    ],
    ["ct state new", nat([match({ ct: { key: "state" } }, "new", "in"), masquerade]), "maybe"],
    ["ip daddr 10.9.0.11 accept; masquerade", nat([daddr("10.9.0.11"), { accept: null }], [masquerade]), "no"],
    [
      "jump",
      [table(), chain("post", "postrouting"), chain("full"), rule("post", [jump("full")]), rule("full", [masquerade])],
      "yes",
    ],
    ["another hook", [table(), chain("pre", "prerouting"), rule("pre", [masquerade])], "no"],
    ["another family", [table("ip6"), chain("post", "postrouting", "ip6"), rule("post", [masquerade], "ip6")], "no"],
    ["inet", [table("inet"), chain("post", "postrouting", "inet"), rule("post", [masquerade], "inet")], "yes"],
  ] as const)
    test(`${what}: ${wanted}`, () => assert.equal(byNft(...objects), wanted));

  test("rules that iptables made are judged from iptables-save alone", () => {
    const objects = nat([{ xt: { type: "match", name: "ipvs" } }, { xt: { type: "target", name: "MASQUERADE" } }]);
    assert.equal(byNft(...objects), "no");
  });
});
