import {
  block,
  both,
  DELETED,
  INHIBITED,
  PACE,
  type Piece,
  SORRY,
  server,
  TCP,
  UNCHECKED,
  UNMOVED,
  virtualServers,
} from "./pieces.ts";

const piece = virtualServers(1000);
const unmoved = { pools: UNMOVED };
/** As it stands in the file. */
const I = "$" + "{I}";
const sorry = "sorry_server 10.9.3.2 80";
const unequal = (a: number, b: number) =>
  `${server("a", `weight ${a}\nTCP_CHECK { }`)}\n${server("b", `weight ${b}\nTCP_CHECK { }`)}`;
const six = (lines: string) =>
  `${block("real_server fd00:9:1::2 80", lines)}\n${block("real_server fd00:9:2::2 80", lines)}`;

const group = (name: string, members: readonly string[], ...lines: readonly string[]) =>
  `${block(`virtual_server_group ${name}`, ...members)}\n${block(`virtual_server group ${name}`, PACE, "protocol TCP", ...lines)}`;
/** Neither has a service of it. */
const leftOut = (name: string, text: string): Piece => ({ name, text, services: [], pools: UNMOVED });

/** Schedulers, forwarding, persistence, groups (twos is not in the lab's kernel). */
const TABLE: readonly Piece[] = [
  ...["rr", "wrr", "lc", "lblc", "lblcr", "dh", "sed", "nq", "fo", "ovf"].map((scheduler) =>
    piece(`lb_algo ${scheduler}`, `lb_algo ${scheduler}`, UNCHECKED, unmoved),
  ),
  piece("sh and its flags", "lvs_sched sh\nsh-port\nsh-fallback", TCP),
  piece("mh and its flags", "lvs_sched mh\nmh-port\nmh-fallback\nhashed", TCP),
  piece("flags by number", "lvs_sched wlc\nflag-1\nflag-2\nflag-3", UNCHECKED, unmoved),
  piece("nothing said: wlc and NAT", "", TCP),
  piece("one weight for all", "lb_algo wrr\nweight 5", TCP, { pools: ["a5 b5", "b5", "", "a5", "a5 b5"] }),
  piece(
    "weights of their own",
    "lb_algo wrr\nlvs_method NAT",
    `${unequal(3, 2)}\n${block("real_server 10.9.3.2 80", "weight 0")}`,
    {
      pools: ["a3 b2 s0", "b2 s0", "s0", "a3 s0", "a3 b2 s0"],
    },
  ),
  piece("DR cannot change the port", "lvs_method DR", TCP),
  piece("a tunnel", "lb_kind TUN", UNCHECKED, unmoved),
  piece("a gue tunnel", "lvs_method TUN type gue port 5555 csum", UNCHECKED, unmoved),
  piece("a gre tunnel", "lvs_method TUN type gre", UNCHECKED, unmoved),
  piece("a method for each server", "", `${server("a", "lvs_method DR")}\n${server("b", "lvs_method TUN")}`, unmoved),
  piece("a server without a port", "", both(block("TCP_CHECK", "connect_port 80"), "")),
  piece("persistence_timeout alone", "persistence_timeout", UNCHECKED, unmoved),
  piece("persistence of networks", "persistence_timeout 50\npersistence_granularity 255.255.255.0", UNCHECKED, unmoved),
  piece("persistence_engine", "persistence_engine sip\npersistence_timeout 600", UNCHECKED, {
    ...unmoved,
    protocol: "UDP",
  }),
  piece("ops", "lb_algo rr\nops", UNCHECKED, { ...unmoved, protocol: "UDP" }),
  piece("SCTP", "lb_algo rr", TCP, { protocol: "SCTP" }),
  piece("thresholds", "lb_algo wrr", both("uthreshold 1000\nlthreshold 800\nTCP_CHECK { }")),
  {
    name: "a firewall mark of IPv6",
    text: block("virtual_server fwmark 7", PACE, "ip_family inet6", "lb_algo wrr", six("TCP_CHECK { }")),
    services: ["-f 7 -6"],
    pools: DELETED,
  },
  {
    name: "IPv6 with persistence of networks",
    text: block(
      "virtual_server fd00:100::1 1000",
      PACE,
      "protocol TCP",
      "persistence_granularity 64",
      six("TCP_CHECK { }"),
    ),
    services: ["-t [fd00:100::1]:1000"],
    pools: DELETED,
  },
  {
    name: "a group of addresses, ranges, prefixes and marks",
    text: group(
      "many",
      [
        "10.100.0.2 80",
        "10.100.0.3-4 80",
        "10.100.0.5-10.100.0.6 81",
        "10.100.0.8/31 80",
        "fwmark 11",
        "fwmark 12 inet",
      ],
      "persistence_timeout 300",
      TCP,
    ),
    services: [
      ...["-t 10.100.0.2:80", "-t 10.100.0.3:80", "-t 10.100.0.4:80", "-t 10.100.0.5:81", "-t 10.100.0.6:81"],
      ...["-t 10.100.0.8:80", "-t 10.100.0.9:80", "-f 11", "-f 12"],
    ],
    pools: DELETED,
  },
  {
    name: "a group of IPv6",
    text: group("six", ["fd00:100::a-b 80", "fwmark 14 inet6"], "lb_algo wrr", six("TCP_CHECK { }")),
    services: ["-t [fd00:100::a]:80", "-t [fd00:100::b]:80", "-f 14 -6"],
    pools: DELETED,
  },
  leftOut("a group of both families", group("both", ["10.100.0.20 80", "fd00:100::20 80"], "", UNCHECKED)),
  leftOut(
    "a group of both families with a mark of neither",
    group("odd", ["10.100.0.20 80", "fd00:100::20 80", "fwmark 13"], "lb_kind TUN", UNCHECKED),
  ),
  leftOut("a group of the other family", group("else", ["10.100.0.20 80"], "", six(""))),
  leftOut("servers of the other family", block("virtual_server 10.100.0.21 80", PACE, "protocol TCP", six(""))),
  leftOut("no real server", block("virtual_server 10.100.0.22 80", PACE, "protocol TCP", sorry)),
  {
    name: "all ports of an address",
    text: block(
      "virtual_server 10.100.0.7",
      PACE,
      "protocol TCP",
      "persistence_timeout 60",
      both(block("TCP_CHECK", "connect_port 80"), ""),
    ),
    services: ["-t 10.100.0.7:0"],
    pools: DELETED,
    differs: {
      pools: undefined,
      note: "dropped virtual_server 10.100.0.7",
      why: "director has no service without a port; a firewall mark does the same",
    },
  },
];

const FAILING: readonly Piece[] = [
  piece("inhibit_on_failure", "inhibit_on_failure", TCP, { pools: INHIBITED }),
  piece("inhibit_on_failure of every server", "", both("inhibit_on_failure\nTCP_CHECK { }"), { pools: INHIBITED }),
  piece(
    "inhibit_on_failure of one server",
    "",
    `${server("a", "inhibit_on_failure\nTCP_CHECK { }")}\n${server("b", "TCP_CHECK { }")}`,
    {
      pools: ["a1 b1", "a0 b1", "a0", "a1", "a1 b1"],
      differs: {
        pools: INHIBITED,
        note: "changed inhibit_on_failure",
        why: "`on_failure` is one word for a service: where servers differ, weight 0 for all, which cuts no connection",
      },
    },
  ),
  piece("alpha, and it is well", "alpha\ninhibit_on_failure", TCP, { pools: INHIBITED }),
  piece("alpha of every server, and it is not", "", both("alpha\nHTTP_GET {\nurl {\npath /begun\n}\n}", "8080"), {
    pools: ["", "b1", "", "a1", "a1 b1"],
  }),
  piece("alpha of one server", "", `${server("a", "alpha\nTCP_CHECK { }")}\n${server("b", "TCP_CHECK { }")}`),
  piece("sorry_server", sorry, TCP, { pools: SORRY }),
  piece("a sorry server behind another method", `lvs_method DR\n${sorry}\nsorry_server_lvs_method TUN`, TCP, {
    pools: SORRY,
  }),
  piece("a sorry server with inhibit_on_failure", `inhibit_on_failure\n${sorry}`, TCP, {
    pools: ["a1 b1", "a0 b1", "a0 b0 s1", "a1 b0", "a1 b1"],
  }),
  piece("sorry_server_inhibit", `${sorry}\nsorry_server_inhibit`, TCP, {
    pools: ["a1 b1 s0", "b1 s0", "s1", "a1 s0", "a1 b1 s0"],
    differs: {
      pools: SORRY,
      note: "changed sorry_server_inhibit",
      why: "keepalived keeps the sorry server in the table at weight 0; director only until its last connection has ended",
    },
  }),
  piece("a sorry server that is a real server too", "sorry_server 10.9.1.2 80", TCP, {
    pools: ["a1 b1", "b1", "a1", "a1", "a1 b1"],
    differs: {
      pools: DELETED,
      note: "dropped sorry_server 10.9.1.2:80",
      why: "keepalived sends everybody to a server it knows to be dead; `fail_open: all-down` may be what is meant",
    },
  }),
  piece("a quorum of two, inhibited", `quorum 2\ninhibit_on_failure\n${sorry}`, TCP, {
    pools: ["a1 b1", "a0 b0 s1", "a0 b0 s1", "a0 b0 s1", "a1 b1"],
  }),
  piece("a quorum of two, deleted", `quorum 2\n${sorry}`, TCP, {
    pools: ["a1 b1", "s1", "s1", "s1", "a1 b1"],
    differs: {
      pools: ["a1 b1", "b0 s1", "s1", "a0 s1", "a1 b1"],
      note: "changed sorry_server",
      why: "while the sorry server serves, keepalived deletes servers that are healthy, under their open connections; director gives them weight 0",
    },
  }),
  piece(
    "quorum and hysteresis of unequal weights",
    `lb_algo wrr\ninhibit_on_failure\nquorum 4\nhysteresis 2\n${sorry}`,
    unequal(5, 1),
    {
      pools: ["a5 b1", "a0 b0 s1", "a0 b0 s1", "a0 b0 s1", "a5 b1"],
    },
  ),
  piece("a quorum that nothing follows from", "quorum 2", TCP),
  piece(
    "times of the servers",
    "",
    both("delay_loop 0.5\nretry 2\ndelay_before_retry 0.3\nconnect_timeout 2\nwarmup 0\nTCP_CHECK { }"),
  ),
  piece(
    "times of the checks",
    "retry 3\nwarmup 1",
    both(block("TCP_CHECK", "delay_loop 0.5", "retry 0", "delay_before_retry 0.3", "connect_timeout 2", "warmup 0.5")),
  ),
  piece("ha_suspend, the address elsewhere", "ha_suspend", TCP, {
    pools: UNMOVED,
    differs: {
      pools: DELETED,
      note: "dropped ha_suspend",
      why: "keepalived checks nothing while the address is on another machine; director checks everywhere, and is right at once when it comes here",
    },
  }),
  {
    name: "ha_suspend, the address here",
    text: block("virtual_server 10.100.0.12 80", PACE, "protocol TCP", "ha_suspend", TCP),
    services: ["-t 10.100.0.12:80"],
    pools: DELETED,
  },
  piece(
    "hooks, names, mails, omega",
    `snmp_name web\nsmtp_alert\nomega\nlvs_flush\nlvs_flush_on_stop\n${sorry}\nquorum_up "/run/lab/ran quorum-up" root\nquorum_down "/run/lab/ran quorum-down"`,
    both(
      'snmp_name web-LETTER\nsmtp_alert on\nnotify_up "/run/lab/ran up"\nnotify_down "/run/lab/ran down"\nTCP_CHECK { }',
    ),
    { pools: SORRY },
  ),
];

/** How lines come about. */
const WRITTEN: readonly Piece[] = [
  piece("~SEQ", "", `~SEQ(I, 1, 2) real_server 10.9.${I}.2 80 { TCP_CHECK { } }`),
  piece("~LST and definitions", "lb_algo wrr", `~LST({I, W}, {1, 3}, {2, 4}) real_server 10.9.${I}.2 80 { $SERVER`, {
    above: "$SERVER= \\\n weight $W \\\n TCP_CHECK { \\\n } \\\n }\n",
    pools: ["a3 b4", "b4", "", "a3", "a3 b4"],
  }),
  piece(
    "lines of one machine",
    "lb_algo wrr\n@lab1 weight 4\n@^lab1 weight 9",
    UNCHECKED.replaceAll("weight 1", "# none"),
    {
      pools: ["a4 b4", "a4 b4", "a4 b4", "a4 b4", "a4 b4"],
    },
  ),
  {
    ...piece("include", "", "include /run/lab/included-*.conf", { pools: UNMOVED }),
    includes: { "/run/lab/included-1.conf": server("a", ""), "/run/lab/included-2.conf": server("b", "") },
  },
];

/** What keepalived takes for something else without an error. */
const MISREAD: readonly Piece[] = [
  piece("a scheduler the kernel has not", "lb_algo wrrr", UNCHECKED, unmoved),
  piece("a flag above its scheduler", "sh-port\nlb_algo sh", UNCHECKED, unmoved),
  piece("a quorum above all weights", `quorum 9\n${sorry}\ninhibit_on_failure`, TCP, {
    pools: ["a1 b1", "a0 b0 s1", "a0 b0 s1", "a0 b0 s1", "a1 b1"],
  }),
  piece("a hysteresis above its quorum", `quorum 1\nhysteresis 5\n${sorry}`, TCP, { pools: SORRY }),
  // In a file of its own it would do no harm to others; here it is the last but for those without a check.
  piece(
    "an unknown block",
    "lb_algo wrr",
    `${server("a", `${block("foo", "weight 77")}\nTCP_CHECK { }`)}\n${server("b", "TCP_CHECK { }")}`,
    {
      pools: ["a77", "a77", "a77", "a77", "a77"],
      differs: {
        pools: DELETED,
        note: "refused foo",
        why: "keepalived reads its lines as if they stood outside and ends the real server, and then the virtual server, with its `}`; director leaves the block out",
      },
    },
  ),
  {
    name: "no protocol",
    text: block("virtual_server 10.100.0.1 999", PACE, UNCHECKED),
    services: ["-u 10.100.0.1:999"],
    pools: UNMOVED,
  },
  piece("the same real server again", "lb_algo wrr", `${UNCHECKED}\n${server("a", "weight 7")}`, unmoved),
  piece("the same virtual server again", "lb_algo wrr", UNCHECKED, {
    ...unmoved,
    above: block("virtual_server 10.100.0.1 999", PACE, "protocol UDP", "lb_algo rr", server("a", "weight 7")),
  }),
  piece("a weight above 65535", "lb_algo wrr", both("weight 70000"), {
    pools: ["a70000 b70000", "a70000 b70000", "a70000 b70000", "a70000 b70000", "a70000 b70000"],
    differs: {
      pools: ["a65535 b65535", "a65535 b65535", "a65535 b65535", "a65535 b65535", "a65535 b65535"],
      note: "changed weight 70000",
      why: "it is 65535: ipvsadm takes no more",
    },
  }),
];

export const SERVICE_PIECES: readonly Piece[] = [...TABLE, ...FAILING, ...WRITTEN, ...MISREAD];
