import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { unseen } from "../../src/doctor/examine.ts";
import { CATALOGUE } from "../../src/doctor/finding.ts";
import { NO_IPVS } from "../../src/doctor/kernel-rules.ts";
import { programOf } from "../../src/doctor/processes.ts";
import { err, ok } from "../../src/model/result.ts";
import { chain, masquerade, rule, table } from "./nft-text.ts";
import { examined, factsOf, names, type System, serviceText } from "./system.ts";

/** Servers behind another interface than clients. */
const TWO_ARMS: System = {
  addresses: ["eth0: 10.9.0.1/24", "eth1: 10.8.0.1/24"],
  routes: ["10.8.0.11: eth1", "10.8.0.12: eth1"],
};
const BEHIND = { servers: '[ { address: "10.8.0.11:8080" }, { address: "10.8.0.12:8080" } ]' };
const nat = (line: string) => `*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING ${line}\nCOMMIT\n`;
/** Full NAT on one arm, complete. */
const FULL_NAT: System = {
  sysctls: { "net.ipv4.vs.conntrack": 1 },
  iptables: nat("-m ipvs --vaddr 10.9.0.1 -j MASQUERADE"),
};
const DIRECT = {
  forward: "direct",
  servers: "[ { address: 10.9.0.11 }, { address: 10.9.0.12 } ]",
  vip: '"10.9.0.100:80"',
};
const DIRECT_SYSTEM: System = { addresses: ["eth0: 10.9.0.1/24 10.9.0.100/32"] };
const TUNNEL = { ...DIRECT, forward: "tunnel" };
const MARKED = { vip: undefined, fwmark: "7", servers: "[ { address: 10.8.0.11 } ]" };
const mangle = (line: string) => `*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING ${line}\nCOMMIT\n`;
/** Containers on a bridge: masqueraded are servers that are their own clients. */
const BRIDGE: System = {
  addresses: ["eth0: 192.0.2.2/24", "br0: 10.9.0.1/24", "veth1: ", "veth2: ", "ipvs0: 10.9.9.9/32"],
  links: {
    br0: { kind: "bridge", promiscuous: true },
    veth1: { master: "br0" },
    veth2: { master: "br0" },
    ipvs0: { kind: "dummy" },
  },
  routes: ["10.9.0.11: br0", "10.9.0.12: br0"],
  sysctls: { "net.ipv4.vs.conntrack": 1, "net.bridge.bridge-nf-call-iptables": 1 },
  iptables: nat("-m set --match-set LOOP dst,dst,src -j MASQUERADE"),
  ipsets: { LOOP: ["10.9.0.11,tcp:8080,10.9.0.11", "10.9.0.12,tcp:8080,10.9.0.12"] },
};
const ON_BRIDGE = { vip: '"10.9.9.9:80"' };
const keepalived = (settings: string, ...argv: readonly string[]) => ({
  processes: [{ program: "keepalived", argv: ["/usr/sbin/keepalived", ...argv], settings: ok(settings) }],
});

type Row = readonly [what: string, system: System, service: Parameters<typeof serviceText>[0], wanted: string];
const ROWS: readonly Row[] = [
  // Masquerading.
  ["two arms", TWO_ARMS, BEHIND, "(server-return-path)"],
  [
    "two arms, no forwarding",
    { ...TWO_ARMS, sysctls: { "net.ipv4.ip_forward": 0 } },
    BEHIND,
    "ip-forward (server-return-path)",
  ],
  [
    "two arms, forwarding off where servers are",
    { ...TWO_ARMS, sysctls: { "net.ipv4.conf.eth1.forwarding": 0 } },
    BEHIND,
    "ip-forward (server-return-path)",
  ],
  [
    "two arms, forwarding off where clients are: not asked",
    { ...TWO_ARMS, sysctls: { "net.ipv4.conf.eth0.forwarding": 0 } },
    BEHIND,
    "(server-return-path)",
  ],
  [
    "two arms, a rule for other traffic",
    { ...TWO_ARMS, iptables: nat("-o eth1 -j MASQUERADE") },
    BEHIND,
    "(server-return-path)",
  ],
  [
    "two arms, full NAT without conntrack",
    { ...TWO_ARMS, iptables: nat("-m ipvs --vaddr 10.9.0.1 -j MASQUERADE") },
    BEHIND,
    "vs-conntrack",
  ],
  ["two arms, full NAT", { ...TWO_ARMS, ...FULL_NAT }, BEHIND, ""],
  ["one arm, nothing", {}, {}, "vs-conntrack snat-missing"],
  ["one arm, all", FULL_NAT, {}, ""],
  ["one arm, no conntrack", { ...FULL_NAT, sysctls: {} }, {}, "vs-conntrack"],
  ["one arm, no rule", { ...FULL_NAT, iptables: "" }, {}, "snat-missing"],
  [
    "one arm, a rule of Docker's",
    {
      ...FULL_NAT,
      addresses: ["eth0: 10.9.0.1/24", "docker0: 172.17.0.1/16"],
      iptables: nat("-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"),
    },
    {},
    "snat-missing",
  ],
  [
    "one arm, a rule of nftables",
    { ...FULL_NAT, iptables: "", nft: [table(), chain("post", "postrouting"), rule("post", [masquerade])] },
    {},
    "",
  ],
  [
    "one arm, a rule for one of two servers",
    { ...FULL_NAT, iptables: nat("-d 10.9.0.11/32 -j MASQUERADE") },
    {},
    "snat-missing",
  ],
  [
    "one arm, rules not readable",
    { ...FULL_NAT, facts: { rules: { ...factsOf({}).rules, iptables: err("no") } } },
    {},
    "",
  ],
  [
    "one arm, the VIP on lo and in eth0's net",
    { ...FULL_NAT, iptables: "", addresses: ["lo: 10.9.0.9/32", "eth0: 10.9.0.1/24"] },
    { vip: '"10.9.0.9:80"' },
    "snat-missing",
  ],
  [
    "one arm, servers beyond a router on it",
    { ...FULL_NAT, iptables: "", routes: ["10.9.0.11: eth0 via 10.9.0.254", "10.9.0.12: eth0 via 10.9.0.254"] },
    {},
    "snat-missing",
  ],
  [
    "servers on this machine itself need none of it",
    { sysctls: { "net.ipv4.ip_forward": 0 }, routes: ["10.9.0.11: local", "10.9.0.12: local"] },
    {},
    "",
  ],
  [
    "IPv6, no forwarding",
    {
      sysctls: { "net.ipv6.conf.all.forwarding": 0, "net.ipv4.vs.conntrack": 1 },
      ip6tables: nat("-j MASQUERADE"),
      addresses: ["eth0: fd00::1/64"],
      routes: ["fd00::11: eth0"],
    },
    { vip: '"[fd00::1]:80"', servers: '[ { address: "[fd00::11]:80" } ]' },
    "ip-forward",
  ],
  [
    "IPv6, rules for IPv4 alone",
    { ...FULL_NAT, addresses: ["eth0: fd00::1/64"], routes: ["fd00::11: eth0"], iptables: nat("-j MASQUERADE") },
    { vip: '"[fd00::1]:80"', servers: '[ { address: "[fd00::11]:80" } ]' },
    "snat-missing",
  ],
  // Containers on a bridge.
  ["bridge, all", BRIDGE, ON_BRIDGE, "(server-return-path)"],
  [
    "bridge, not promiscuous",
    { ...BRIDGE, links: { ...BRIDGE.links, br0: { kind: "bridge" } } },
    ON_BRIDGE,
    "bridge-promiscuous (server-return-path)",
  ],
  [
    "bridge, hairpin on a port",
    { ...BRIDGE, links: { ...BRIDGE.links, br0: { kind: "bridge" }, veth1: { master: "br0", hairpin: true } } },
    ON_BRIDGE,
    "(server-return-path)",
  ],
  [
    "bridge, not promiscuous, nor bridge netfilter",
    { ...BRIDGE, sysctls: { "net.ipv4.vs.conntrack": 1 }, links: { ...BRIDGE.links, br0: { kind: "bridge" } } },
    ON_BRIDGE,
    "bridge-netfilter (server-return-path)",
  ],
  [
    "bridge, its own netfilter switch",
    {
      ...BRIDGE,
      sysctls: { "net.ipv4.vs.conntrack": 1 },
      links: { ...BRIDGE.links, br0: { kind: "bridge", promiscuous: true, bridgeNetfilter: true } },
    },
    ON_BRIDGE,
    "(server-return-path)",
  ],
  [
    "bridge, no conntrack",
    { ...BRIDGE, sysctls: { "net.bridge.bridge-nf-call-iptables": 1 } },
    ON_BRIDGE,
    "vs-conntrack (server-return-path)",
  ],
  [
    "bridge, a server not in the set",
    { ...BRIDGE, ipsets: { LOOP: ["10.9.0.11,tcp:8080,10.9.0.11"] } },
    ON_BRIDGE,
    "hairpin-snat (server-return-path)",
  ],
  [
    "bridge, nobody is his own client",
    { ...BRIDGE, iptables: "", links: { ...BRIDGE.links, br0: { kind: "bridge" } } },
    ON_BRIDGE,
    "(server-return-path)",
  ],
  // Direct routing and tunnels.
  ["direct", DIRECT_SYSTEM, DIRECT, "(server-arp)"],
  ["direct needs no forwarding", { ...DIRECT_SYSTEM, sysctls: { "net.ipv4.ip_forward": 0 } }, DIRECT, "(server-arp)"],
  [
    "direct, through a gateway",
    { ...DIRECT_SYSTEM, routes: ["10.9.0.11: eth0 via 10.9.0.254", "10.9.0.12: eth0"] },
    DIRECT,
    "direct-gateway (server-arp)",
  ],
  ["direct, the VIP is the only address", { addresses: ["eth0: 10.9.0.100/24"] }, DIRECT, "direct-source (server-arp)"],
  [
    "direct, masqueraded too",
    { ...DIRECT_SYSTEM, sysctls: { "net.ipv4.vs.conntrack": 1 }, iptables: nat("-o eth0 -j MASQUERADE") },
    DIRECT,
    "direct-rewritten (server-arp)",
  ],
  [
    "direct, the same without conntrack",
    { ...DIRECT_SYSTEM, iptables: nat("-o eth0 -j MASQUERADE") },
    DIRECT,
    "(server-arp)",
  ],
  [
    "direct, the rule is for masqueraded ones",
    {
      ...DIRECT_SYSTEM,
      sysctls: { "net.ipv4.vs.conntrack": 1 },
      iptables: nat("-m ipvs --vmethod MASQ -j MASQUERADE"),
    },
    DIRECT,
    "(server-arp)",
  ],
  [
    "direct, the rule is for the servers' addresses",
    { ...DIRECT_SYSTEM, sysctls: { "net.ipv4.vs.conntrack": 1 }, iptables: nat("-d 10.9.0.11/32 -j MASQUERADE") },
    DIRECT,
    "(server-arp)",
  ],
  [
    "direct, this machine is one of them",
    { ...DIRECT_SYSTEM, routes: ["10.9.0.11: local", "10.9.0.12: eth0"] },
    DIRECT,
    "(local-real-server) (server-arp)",
  ],
  [
    "direct, this machine is one of them, beside keepalived",
    { ...DIRECT_SYSTEM, ...keepalived("", "-P"), routes: ["10.9.0.11: local", "10.9.0.12: eth0"] },
    DIRECT,
    "local-real-server (server-arp)",
  ],
  [
    "direct, likewise with backup_only",
    {
      ...DIRECT_SYSTEM,
      ...keepalived("", "-P"),
      sysctls: { "net.ipv4.vs.backup_only": 1 },
      routes: ["10.9.0.11: local", "10.9.0.12: eth0"],
    },
    DIRECT,
    "(server-arp)",
  ],
  ["tunnel", DIRECT_SYSTEM, TUNNEL, "(server-tunnel)"],
  [
    "tunnel through a gateway is what it is for",
    { ...DIRECT_SYSTEM, routes: ["10.9.0.11: eth0 via 10.9.0.254", "10.9.0.12: eth0"] },
    TUNNEL,
    "(server-tunnel)",
  ],
  // Ways here and there.
  [
    "the VIP is not here",
    { ...TWO_ARMS, ...FULL_NAT, addresses: ["eth0: 10.9.0.2/24", "eth1: 10.8.0.1/24"] },
    BEHIND,
    "vip-not-local",
  ],
  [
    "the VIP is not here, keepalived is",
    { ...TWO_ARMS, ...FULL_NAT, ...keepalived("", "-P"), addresses: ["eth0: 10.9.0.2/24", "eth1: 10.8.0.1/24"] },
    BEHIND,
    "(vip-not-local)",
  ],
  [
    "the VIP is in a local route",
    { ...TWO_ARMS, ...FULL_NAT, addresses: ["eth1: 10.8.0.1/24"], routes: [...TWO_ARMS.routes!, "10.9.0.1: local"] },
    BEHIND,
    "",
  ],
  ["no route to a server", { ...FULL_NAT, routes: ["10.9.0.11: eth0"] }, {}, "server-unroutable"],
  ["no route to the sorry server", FULL_NAT, { sorry_server: '{ address: "10.7.7.7:80" }' }, "server-unroutable"],
  ["routes not readable", { ...FULL_NAT, facts: { routes: err("no") } }, {}, ""],
  [
    "strict paths, the default route elsewhere",
    { ...FULL_NAT, sysctls: { ...FULL_NAT.sysctls, "net.ipv4.conf.all.rp_filter": 1 }, defaults: ["eth9"] },
    {},
    "(rp-filter)",
  ],
  [
    "strict for the interface alone",
    { ...FULL_NAT, sysctls: { ...FULL_NAT.sysctls, "net.ipv4.conf.eth0.rp_filter": 1 }, defaults: ["eth9"] },
    {},
    "(rp-filter)",
  ],
  [
    "strict, and a public VIP",
    {
      addresses: ["eth0: 10.9.0.1/24 203.0.113.9/32"],
      iptables: nat("-j MASQUERADE"),
      sysctls: { ...FULL_NAT.sysctls, "net.ipv4.conf.all.rp_filter": 1 },
      defaults: ["eth9"],
    },
    { vip: '"203.0.113.9:80"' },
    "rp-filter",
  ],
  [
    "loose wins over strict",
    {
      ...FULL_NAT,
      sysctls: { ...FULL_NAT.sysctls, "net.ipv4.conf.all.rp_filter": 2, "net.ipv4.conf.eth0.rp_filter": 1 },
      defaults: ["eth9"],
    },
    {},
    "",
  ],
  [
    "strict, the default route there",
    { ...FULL_NAT, sysctls: { ...FULL_NAT.sysctls, "net.ipv4.conf.all.rp_filter": 1 }, defaults: ["eth0"] },
    {},
    "",
  ],
  [
    "strict, no default route",
    { ...FULL_NAT, sysctls: { ...FULL_NAT.sysctls, "net.ipv4.conf.all.rp_filter": 1 } },
    {},
    "",
  ],
  // Firewall marks.
  ["a mark that nobody sets", TWO_ARMS, MARKED, "fwmark-unset (server-return-path)"],
  [
    "a mark that is set",
    { ...TWO_ARMS, iptables: mangle("-p tcp -m multiport --dports 80,81 -j MARK --set-xmark 0x7/0xffffffff") },
    MARKED,
    "(server-return-path)",
  ],
  [
    "another mark is set",
    { ...TWO_ARMS, iptables: mangle("-j MARK --set-xmark 0x8/0xffffffff") },
    MARKED,
    "fwmark-unset (server-return-path)",
  ],
  [
    "set for IPv6 only",
    { ...TWO_ARMS, ip6tables: mangle("-j MARK --set-xmark 0x7/0xffffffff") },
    MARKED,
    "fwmark-unset (server-return-path)",
  ],
  [
    "restored from the connection",
    { ...TWO_ARMS, iptables: mangle("-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff") },
    MARKED,
    "(server-return-path)",
  ],
  [
    "rules not readable: no verdict on marks",
    { ...TWO_ARMS, facts: { rules: { ...factsOf({}).rules, nft: err("no") } } },
    MARKED,
    "(server-return-path)",
  ],
  // Settings.
  [
    "persistence",
    { ...FULL_NAT, sysctls: { ...FULL_NAT.sysctls, "net.ipv4.vs.expire_quiescent_template": 0 } },
    { persistence: "{ timeout: 5m }" },
    "expire-quiescent-template",
  ],
  [
    "the same without persistence",
    { ...FULL_NAT, sysctls: { ...FULL_NAT.sysctls, "net.ipv4.vs.expire_quiescent_template": 0 } },
    {},
    "",
  ],
  [
    "UDP",
    { ...FULL_NAT, sysctls: { ...FULL_NAT.sysctls, "net.ipv4.vs.expire_nodest_conn": 0 } },
    { protocol: "udp", check: "{ type: udp, send: x, silence: pass }" },
    "expire-nodest-conn",
  ],
  ["the same with TCP", { ...FULL_NAT, sysctls: { ...FULL_NAT.sysctls, "net.ipv4.vs.expire_nodest_conn": 0 } }, {}, ""],
  [
    "ports used again",
    { ...FULL_NAT, sysctls: { ...FULL_NAT.sysctls, "net.ipv4.vs.conn_reuse_mode": 0 } },
    {},
    "conn-reuse-mode",
  ],
  [
    "any bit of it will do",
    { ...FULL_NAT, sysctls: { ...FULL_NAT.sysctls, "net.ipv4.vs.conn_reuse_mode": 3 } },
    {},
    "",
  ],
  [
    "an old kernel is better off without, when it tracks connections",
    {
      ...FULL_NAT,
      facts: { kernel: "5.4.0-200-generic" },
      sysctls: { ...FULL_NAT.sysctls, "net.ipv4.vs.conn_reuse_mode": 0 },
    },
    {},
    "",
  ],
  // The kernel and our rights.
  ["no IPVS", { ...FULL_NAT, facts: { table: err(NO_IPVS) } }, {}, "ip-vs-module"],
  ["a scheduler that is nowhere", FULL_NAT, { scheduler: "sed" }, "scheduler-module"],
  ["one on the disk", FULL_NAT, { scheduler: "mh" }, ""],
  ["modules not readable", { ...FULL_NAT, facts: { modules: err("no") } }, { scheduler: "sed" }, ""],
  [
    "the SIP engine is missing",
    FULL_NAT,
    { persistence: "{ timeout: 5m, engine: sip }", protocol: "udp", check: "{ type: udp, send: x, silence: pass }" },
    "scheduler-module",
  ],
  ["root in a container", { ...FULL_NAT, facts: { user: { root: true, netAdmin: false } } }, {}, "net-admin"],
  ["nobody in particular", { ...FULL_NAT, facts: { user: { root: false, netAdmin: false } } }, {}, ""],
  [
    "a daemon without the capability",
    { ...FULL_NAT, processes: [{ program: "director", netAdmin: false }] },
    {},
    "net-admin",
  ],
  [
    "a daemon with it, looked at by nobody in particular",
    { ...FULL_NAT, facts: { user: { root: false, netAdmin: false } }, processes: [{}] },
    {},
    "",
  ],
  // Other writers.
  [
    "keepalived with our service",
    { ...FULL_NAT, ...keepalived("virtual_server 10.9.0.1 80 {\n}\n") },
    {},
    "other-writer",
  ],
  [
    "keepalived with it in a group",
    { ...FULL_NAT, ...keepalived("virtual_server_group G {\n  10.9.0.1 80\n}\n") },
    {},
    "other-writer",
  ],
  [
    "keepalived with another",
    {
      ...FULL_NAT,
      ...keepalived(
        "virtual_server 10.9.0.1 8080 {\n}\n virtual_server 110.9.0.1 80 {\n real_server 10.9.0.1 80 {\n}\n}\n",
      ),
    },
    {},
    "",
  ],
  [
    "keepalived with it in a comment",
    { ...FULL_NAT, ...keepalived("# virtual_server 10.9.0.1 80 {\nvirtual_server 10.9.0.9 80 {\n}\n") },
    {},
    "",
  ],
  ["keepalived for VRRP alone", { ...FULL_NAT, ...keepalived("virtual_server 10.9.0.1 80 {\n}\n", "-P") }, {}, ""],
  [
    "keepalived with our mark",
    {
      ...TWO_ARMS,
      ...keepalived("virtual_server fwmark 7 {\n}\n"),
      iptables: mangle("-j MARK --set-xmark 0x7/0xffffffff"),
    },
    MARKED,
    "other-writer (server-return-path)",
  ],
  [
    "ldirectord with our service",
    {
      ...FULL_NAT,
      processes: [{ program: "ldirectord", settings: ok("virtual=10.9.0.1:80\n\treal=10.9.0.11:80 masq\n") }],
    },
    {},
    "other-writer",
  ],
  [
    "kube-proxy in IPVS mode",
    {
      ...FULL_NAT,
      addresses: ["eth0: 10.9.0.1/24", "kube-ipvs0: 10.96.0.1/32"],
      processes: [{ program: "kube-proxy" }],
    },
    {},
    "other-writer",
  ],
  [
    "Debian's ipvsadm service with rules of its own",
    { ...FULL_NAT, facts: { rulesOfService: true } },
    {},
    "ipvsadm-service",
  ],
  ["kube-proxy in another mode", { ...FULL_NAT, processes: [{ program: "kube-proxy" }] }, {}, ""],
];

describe("another writer", () => {
  const beside = { ...FULL_NAT, ...keepalived("virtual_server 10.9.0.1 80 {\n}\n") };

  test("is a hint only while director observes", () => {
    const observing = examined(beside, `ipvs: { mode: observe }\n${serviceText()}`);
    assert.equal(names(observing), "(other-writer)");
    assert.match(observing[0]!.why, /^fine as long as director only observes; after that two writers/);
    assert.match(examined(beside)[0]!.why, /^two writers/);
  });

  test("is never to be ended in a way that deletes the services", () => {
    assert.match(examined(beside)[0]!.fix.text!, /docs\/migrating\.md/);
    const settings = ok("virtual=10.9.0.1:80\n");
    const found = examined({ ...FULL_NAT, processes: [{ program: "ldirectord", settings }] });
    assert.match(found[0]!.fix.text!, /^put cleanstop = no into its file/);
  });

  for (const [argv, program] of [
    [["/usr/sbin/keepalived", "--dont-fork"], "keepalived"],
    [["/usr/bin/perl", "-w", "/usr/sbin/ldirectord", "start"], "ldirectord"],
    [["/usr/bin/perl", "/usr/sbin/ldirectord", "/etc/ha.d/a.cf", "start"], "ldirectord"],
    [["keepalived: master"], "keepalived"],
    [["vi", "-R", "-n", "keepalived.conf"], undefined],
    [["tail", "-f", "/var/log/keepalived"], undefined],
    [["bash", "-c", "keepalived -n"], undefined],
    [["/bin/sh", "/usr/local/sbin/keepalived"], "keepalived"],
    [["/usr/bin/node", "--no-warnings", "/opt/director/src/main.ts", "run", "-c", "x"], "director"],
  ] as const)
    test(`${argv.join(" ")}: ${program ?? "nobody"}`, () => assert.equal(programOf(argv), program));
});

describe("what is found", () => {
  for (const [what, system, service, wanted] of ROWS)
    test(`${what}: ${wanted || "nothing"}`, () => assert.equal(names(examined(system, serviceText(service))), wanted));

  test("every finding of the catalogue is in a row", () => {
    const found = new Set(ROWS.flatMap(([, , , wanted]) => wanted.replace(/[()]/g, "").split(" ")));
    assert.deepEqual(
      Object.keys(CATALOGUE).filter((id) => !found.has(id)),
      [],
    );
  });

  test("a table in memory needs nothing of the system", () => {
    assert.deepEqual(examined({ facts: { table: err(NO_IPVS) } }, `ipvs: { backend: memory }\n${serviceText()}`), []);
  });

  test("with vips in the file the daemon itself puts the address there", () => {
    const found = examined(
      { ...FULL_NAT, addresses: ["eth0: 10.9.0.2/24"] },
      `vips: { device: vip0 }\n${serviceText()}`,
    );
    assert.equal(names(found.filter(({ id }) => id === "vip-not-local")), "(vip-not-local)");
  });

  test("what stands in no fact is asked for by nobody: a system of which nothing could be read has no findings", () => {
    const nothing = err("not readable");
    const facts = {
      user: { root: false, netAdmin: false },
      modules: nothing,
      table: nothing,
      sysctls: new Map(),
      interfaces: nothing,
      routes: nothing,
      defaults: nothing,
      rules: { iptables: nothing, ip6tables: nothing, nft: nothing },
      ipsets: nothing,
      processes: nothing,
    };
    for (const service of [{}, DIRECT, MARKED]) assert.deepEqual(examined({ facts }, serviceText(service)), []);
    assert.equal(unseen({ ...factsOf({}), ...facts }).length, 10);
  });

  test("the same trouble of several services is one finding that names them all", () => {
    const second =
      '  - { name: other, vip: "10.9.0.1:81", check: { type: tcp }, servers: [ { address: "10.9.0.12:81" } ] }\n';
    const found = examined({ sysctls: { "net.ipv4.ip_forward": 0 } }, serviceText() + second);
    assert.equal(names(found), "ip-forward vs-conntrack snat-missing");
    for (const { services } of found) assert.deepEqual(services, ["web", "other"]);
  });
});

describe("the command that mends it", () => {
  const commands = (system: System, service: Parameters<typeof serviceText>[0] = {}) =>
    examined(system, serviceText(service)).map(({ fix }) => fix.commands.map((command) => command.join(" ")));

  test("by iptables with the match for IPVS", () => {
    assert.deepEqual(commands({ ...FULL_NAT, iptables: "" }), [
      ["iptables -t nat -A POSTROUTING -m ipvs --vaddr 10.9.0.1 -j MASQUERADE"],
    ]);
  });

  test("by iptables without it, where the kernel has none", () => {
    const modules = ok({ active: new Set(["ip_vs"]), onDisk: new Set(["ip_vs_wrr"]) });
    assert.deepEqual(commands({ ...FULL_NAT, iptables: "", facts: { modules } }), [
      ["iptables -t nat -A POSTROUTING -p tcp --dport 8080 -d 10.9.0.11 -j MASQUERADE"],
      ["iptables -t nat -A POSTROUTING -p tcp --dport 8080 -d 10.9.0.12 -j MASQUERADE"],
    ]);
  });

  test("by nft, where there is nothing else, or where its tables rewrite addresses already", () => {
    const wanted = (server: string) => [
      "nft add table ip director",
      "nft add chain ip director postrouting { type nat hook postrouting priority srcnat ; }",
      `nft add rule ip director postrouting ip daddr ${server} tcp dport 8080 masquerade`,
    ];
    const both = [wanted("10.9.0.11"), wanted("10.9.0.12")];
    assert.deepEqual(commands({ ...FULL_NAT, iptables: "", facts: { tools: new Set(["nft"]) } }), both);
    assert.deepEqual(commands({ ...FULL_NAT, iptables: "", nft: [table(), chain("post", "postrouting")] }), both);
  });

  test("the VIP goes where its neighbours are, or on lo", () => {
    const addresses = ["eth0: 10.9.0.2/24", "eth1: 10.8.0.1/24"];
    const command = (vip: string) => commands({ ...TWO_ARMS, ...FULL_NAT, addresses }, { ...BEHIND, vip })[0];
    assert.deepEqual(command('"10.9.0.1:80"'), ["ip address add 10.9.0.1/32 dev eth0"]);
    assert.deepEqual(command('"192.0.2.10:80"'), ["ip address add 192.0.2.10/32 dev lo"]);
    assert.deepEqual(command('"[fd00::1]:80"'), ["ip address add fd00::1/128 dev lo"]);
  });

  test("on servers: this machine as their gateway, by the address it has there", () => {
    assert.deepEqual(commands(TWO_ARMS, BEHIND), [["ip route replace default via 10.8.0.1"]]);
  });
});
