import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatProblem, parseConfig } from "../../src/config/parse.ts";
import { err } from "../../src/model/result.ts";
import { parse, probeTypes, problemsOf } from "./support.ts";

const TYPES = [...probeTypes.keys()].join(", ");

/** A file with one service, whose key `servers` (or `pool`) stands on line 4 and `rest` from line 5 on. */
function web(rest: string, servers = "servers: [{ address: 10.0.0.1 }]"): string {
  const more = rest === "" ? "" : `    ${rest}\n`;
  return `services:\n  - name: web\n    vip: 192.0.2.1:80\n    ${servers}\n${more}`;
}

/** What is wrong, the file, and every problem of it as printed, less the file's name. */
const rows: readonly [what: string, file: string, problems: readonly string[]][] = [
  [
    "an unknown key of a server",
    `services:
  - name: web
    vip: 192.0.2.1:80
    servers:
      - address: 10.0.0.1
      - address: 10.0.0.2
      - address: 10.0.0.3
        wieght: 5
`,
    ['8:9: services[0].servers[2].wieght: unknown key, did you mean "weight"?'],
  ],
  [
    "an unknown key of the file",
    "service: []\nservices: [{ name: a, vip: 192.0.2.1:80, servers: [{ address: 10.0.0.1 }] }]\n",
    ['1:1: service: unknown key, did you mean "services"?'],
  ],
  [
    "an unknown key that resembles none",
    `ipvs: { resync: 30s, modus: manage }\n${web("")}`,
    ["1:22: ipvs.modus: unknown key"],
  ],
  ["an unknown key of a service", web("flurb: 1"), ["5:5: services[0].flurb: unknown key"]],
  [
    "a server without address",
    web("", "servers: [{ weight: 5 }]"),
    ["4:15: services[0].servers[0].address: missing: expected an IPv4 or IPv6 address, with or without a port"],
  ],
  [
    "a service without name",
    "services:\n  - vip: 192.0.2.1:80\n    servers: [{ address: 10.0.0.1 }]\n",
    ["2:5: services[0].name: missing: expected a name of up to 64 letters, digits and . _ : @ [ ] -"],
  ],
  [
    "a service without frontend",
    "services:\n  - name: web\n    servers: [{ address: 10.0.0.1 }]\n",
    ["2:5: services[0]: missing: one of vip, vips and fwmark"],
  ],
  [
    "a service with both vip and fwmark",
    web("fwmark: 7"),
    ["5:5: services[0].fwmark: only one of vip, vips and fwmark may be given, vip is"],
  ],
  [
    "an empty list of addresses",
    "services:\n  - name: web\n    vips: []\n    servers: [{ address: 10.0.0.1 }]\n",
    ["3:11: services[0].vips: may not be empty"],
  ],
  [
    "one address for vips",
    "services:\n  - name: web\n    vips: 192.0.2.1:80\n    servers: [{ address: 10.0.0.1 }]\n",
    ['3:11: services[0].vips: expected a list, not "192.0.2.1:80"'],
  ],
  [
    "a list for vip",
    "services:\n  - name: web\n    vip: [192.0.2.1:80]\n    servers: [{ address: 10.0.0.1 }]\n",
    [
      "3:10: services[0].vip: expected ADDRESS:PORT such as 192.0.2.10:80 or [2001:db8::1]:80, or ADDRESS:FIRST-LAST, not a list",
    ],
  ],
  [
    "a virtual address without port",
    "services:\n  - name: web\n    vip: 192.0.2.1\n    servers: [{ address: 10.0.0.1 }]\n",
    ["3:10: services[0].vip: expected ADDRESS:PORT such as 192.0.2.10:80 or [2001:db8::1]:80: the port is missing"],
  ],
  [
    "the unspecified address",
    "services:\n  - name: web\n    vip: 0.0.0.0:80\n    servers: [{ address: 10.0.0.1 }]\n",
    ["3:10: services[0].vip: 0.0.0.0 is no machine's address"],
  ],
  [
    "a multicast address",
    'services:\n  - name: web\n    vip: "[ff02::1]:80"\n    servers: [{ address: 2001:db8::1 }]\n',
    ["3:10: services[0].vip: ff02::1 is a multicast address, IPVS forwards to single machines"],
  ],
  [
    "the broadcast address",
    "services:\n  - name: web\n    vip: 255.255.255.255:80\n    servers: [{ address: 10.0.0.1 }]\n",
    ["3:10: services[0].vip: 255.255.255.255 is the broadcast address, IPVS forwards to single machines"],
  ],
  [
    "a link-local server",
    'services:\n  - name: web\n    vip: "[2001:db8::1]:80"\n    servers: [{ address: fe80::1 }]\n',
    [
      "4:26: services[0].servers[0].address: fe80::1 is link-local: it means something on one interface only, and IPVS has no way to name that",
    ],
  ],
  [
    "an octal address",
    web("", "servers: [{ address: 010.0.0.1 }]"),
    [
      '4:26: services[0].servers[0].address: expected an IPv4 or IPv6 address: "010.0.0.1" has a leading zero, which other programs read as octal',
    ],
  ],
  [
    "a short address",
    web("", "servers: [{ address: 10.1 }]"),
    [
      '4:26: services[0].servers[0].address: expected an IPv4 or IPv6 address: "10.1" is a short form, write all four numbers',
    ],
  ],
  [
    "a host name",
    web("", "servers: [{ address: app1.example.com }]"),
    ["4:26: services[0].servers[0].address: expected an IPv4 or IPv6 address: names are not resolved"],
  ],
  [
    "a host name with port",
    web("", "servers: [{ address: 'app1.example.com:80' }]"),
    ["4:26: services[0].servers[0].address: expected an IPv4 or IPv6 address: names are not resolved"],
  ],
  [
    "an IPv4 address written as IPv6",
    web("", "servers: [{ address: '::ffff:10.0.0.1' }]"),
    ["4:26: services[0].servers[0].address: ::ffff:a00:1 is an IPv4 address written as IPv6, write the IPv4 address"],
  ],
  [
    "a port above 65535",
    web("", "servers: [{ address: 10.0.0.1:99999 }]"),
    ['4:26: services[0].servers[0].address: expected a port from 1 to 65535 after "10.0.0.1", not "99999"'],
  ],
  [
    "brackets without port",
    web("", "servers: [{ address: '[2001:db8::2]' }]"),
    [
      "4:26: services[0].servers[0].address: expected an IPv4 or IPv6 address, brackets stand only around an IPv6 address that has a port",
    ],
  ],
  [
    "two ports for one server",
    web("", "servers: [{ address: 10.0.0.1:80, port: 81 }]"),
    ["4:45: services[0].servers[0].port: the address says port 80: give it in one place"],
  ],
  [
    "a server that is a text",
    web("", "servers: [10.0.0.1]"),
    ["4:15: services[0].servers[0]: expected a server such as { address: 10.0.0.11:8080 }"],
  ],
  ["servers as a map", web("", "servers: { a: 10.0.0.1 }"), ["4:14: services[0].servers: expected a list of servers"]],
  [
    "no servers",
    web("", "servers: []"),
    [
      "4:14: services[0].servers: empty: a template that rendered nothing is not an order; if no servers are meant, say allow_empty: true",
    ],
  ],
  [
    "servers that came out as nothing",
    web("", "servers:"),
    [
      "4:13: services[0].servers: empty: a template that rendered nothing is not an order; if no servers are meant, say allow_empty: true",
    ],
  ],
  [
    "neither servers nor pool",
    "services:\n  - name: web\n    vip: 192.0.2.1:80\n",
    [
      "2:5: services[0].servers: missing, and no pool is named: a template that rendered nothing is not an order; if no servers are meant, say allow_empty: true",
    ],
  ],
  [
    "no services",
    "services: []\n",
    [
      "1:11: services: empty: a template that rendered nothing is not an order; if no services are meant, say allow_empty: true",
    ],
  ],
  [
    "services that came out as nothing",
    "services:\n",
    [
      "1:10: services: empty: a template that rendered nothing is not an order; if no services are meant, say allow_empty: true",
    ],
  ],
  [
    "a file without services",
    "log: { level: info }\n",
    [
      "1:1: services: missing: a template that rendered nothing is not an order; if no services are meant, say allow_empty: true",
    ],
  ],
  [
    "an empty file",
    "",
    [
      "1:1: nothing in it: a template that rendered nothing is not an order; if nothing is meant, say allow_empty: true",
    ],
  ],
  [
    "a file of comments",
    "# nothing\n",
    [
      "1:1: nothing in it: a template that rendered nothing is not an order; if nothing is meant, say allow_empty: true",
    ],
  ],
  ["a file that is a list", "- a\n", ["1:1: expected keys with values"]],
  ["a file that is a text", "hello\n", ["1:1: expected keys with values"]],
  [
    "a name that looks like an option",
    web("").replace("web", "-web"),
    [
      "2:11: services[0].name: expected a name of up to 64 letters, digits and . _ : @ [ ] -, not beginning with - or .",
    ],
  ],
  [
    "a name that looks like a path",
    web("").replace("web", "a/b"),
    [
      "2:11: services[0].name: expected a name of up to 64 letters, digits and . _ : @ [ ] -, not beginning with - or .",
    ],
  ],
  [
    "a weight above the limit",
    web("", "servers: [{ address: 10.0.0.1, weight: 65536 }]"),
    ["4:44: services[0].servers[0].weight: expected a whole number from 0 to 65535"],
  ],
  [
    "a weight below 0",
    web("", "servers: [{ address: 10.0.0.1, weight: -1 }]"),
    ["4:44: services[0].servers[0].weight: expected a whole number from 0 to 65535"],
  ],
  [
    "a weight left blank",
    web("", "servers: [{ address: 10.0.0.1, weight: }]"),
    ["4:44: services[0].servers[0].weight: nothing is given: expected a whole number from 0 to 65535"],
  ],
  [
    "a weight that is a map",
    web("", "servers: [{ address: 10.0.0.1, weight: { a: 1 } }]"),
    ["4:44: services[0].servers[0].weight: expected a whole number from 0 to 65535, not a map"],
  ],
  [
    "a duration without unit",
    web("removal_grace: 10"),
    ["5:20: services[0].removal_grace: expected a duration such as 500ms, 10s or 5m"],
  ],
  [
    "a mistyped scheduler",
    web("scheduler: wrrr"),
    [
      '5:16: services[0].scheduler: expected one of rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos, did you mean "wrr"?',
    ],
  ],
  [
    "another scheduler's flag",
    web("scheduler_flags: [mh-port]"),
    ["5:23: services[0].scheduler_flags[0]: mh-port belongs to scheduler mh, and this service has wrr"],
  ],
  [
    "a flag under both of its names",
    web("scheduler: mh\n    scheduler_flags: [mh-fallback, flag-1]"),
    ["6:36: services[0].scheduler_flags[1]: mh-fallback is given twice"],
  ],
  [
    "a flag that would be lost in listings",
    web("scheduler: mh\n    scheduler_flags: [flag-3]"),
    ["6:23: services[0].scheduler_flags[0]: mh has no third flag"],
  ],
  [
    "one-packet scheduling of TCP",
    web("one_packet: true"),
    ["5:17: services[0].one_packet: only for udp, this service is tcp"],
  ],
  [
    "the sip engine for TCP",
    web("persistence: { timeout: 5m, engine: sip }"),
    [
      "5:41: services[0].persistence.engine: warning: only udp gets through with the sip engine: the kernel takes it for tcp, and then every connection times out",
    ],
  ],
  [
    "persistence without timeout",
    web("persistence: { netmask: 24 }"),
    ["5:18: services[0].persistence.timeout: missing: expected a duration such as 500ms, 10s or 5m"],
  ],
  [
    "persistence of a fraction of a second",
    web("persistence: { timeout: 1500ms }"),
    ["5:29: services[0].persistence.timeout: must be whole seconds"],
  ],
  [
    "persistence beyond 31 days",
    web("persistence: { timeout: 745h }"),
    ["5:29: services[0].persistence.timeout: must be at most 744h"],
  ],
  [
    "a netmask with holes",
    web("persistence: { timeout: 5m, netmask: 255.0.255.0 }"),
    ["5:42: services[0].persistence.netmask: expected a netmask such as 255.255.255.0, or a prefix length"],
  ],
  [
    "a netmask of 33 bits",
    web("persistence: { timeout: 5m, netmask: 33 }"),
    ["5:42: services[0].persistence.netmask: this service is IPv4: at most 32 bits"],
  ],
  [
    "persistence as a text",
    web("persistence: 5m"),
    ['5:18: services[0].persistence: expected a map, or none, not "5m"'],
  ],
  [
    "one netmask for both families",
    "services:\n  - name: web\n    vips: ['192.0.2.1:80', '[2001:db8::1]:80']\n    persistence: { timeout: 5m, netmask: 24 }\n    servers: [{ address: 10.0.0.1 }, { address: 2001:db8::2 }]\n",
    [
      "4:42: services[0].persistence.netmask: which family is meant? This service has both: netmask: { ipv4: 24, ipv6: 64 }",
    ],
  ],
  [
    "a dotted netmask for IPv6",
    "services:\n  - name: web\n    vip: '[2001:db8::1]:80'\n    persistence: { timeout: 5m, netmask: 255.255.255.0 }\n    servers: [{ address: 2001:db8::2 }]\n",
    ["4:42: services[0].persistence.netmask: this service is IPv6: expected a prefix length from 1 to 128"],
  ],
  [
    "a slow start that is no duration",
    web("slow_start: fast"),
    ["5:17: services[0].slow_start: expected a duration such as 500ms, 10s or 5m"],
  ],
  [
    "a quorum lost above where it is regained",
    web("quorum: { up: 1, down: 2 }"),
    [
      "5:19: services[0].quorum.up: up is below down: a quorum is lost below `down` and regained at `up`, which cannot be less",
    ],
  ],
  [
    "a quorum of none",
    web("quorum: { up: 0 }"),
    [
      '5:19: services[0].quorum.up: expected a number of servers such as 2, or a share of the configured weight such as "50%"',
    ],
  ],
  [
    "a slow start with a scheduler that ignores weights",
    web("scheduler: rr\n    slow_start: 30s"),
    [
      "6:17: services[0].slow_start: warning: scheduler rr ignores weights above 0: a recovered server gets its whole share at once; wrr and wlc know slow start",
    ],
  ],
  [
    "a quorum of more servers than there are",
    web("quorum: { up: 3 }"),
    ["5:19: services[0].quorum.up: warning: a quorum of 3 is never reached: the service has 1"],
  ],
  [
    "a family beside an address",
    web("family: ipv4"),
    ["5:5: services[0].family: only with fwmark, an address tells its family itself"],
  ],
  [
    "a protocol beside a firewall mark",
    "services:\n  - name: web\n    fwmark: 7\n    protocol: tcp\n    check: { type: tcp, port: 80 }\n    servers: [{ address: 10.0.0.1 }]\n",
    ["4:5: services[0].protocol: not with fwmark: the firewall rules that set the mark choose the protocol"],
  ],
  [
    "firewall mark 0",
    "services:\n  - name: web\n    fwmark: 0\n    check: { type: tcp, port: 80 }\n    servers: [{ address: 10.0.0.1 }]\n",
    ["3:13: services[0].fwmark: expected a whole number from 1 to 4294967295"],
  ],
  [
    "a check without port behind a firewall mark",
    "services:\n  - name: web\n    fwmark: 7\n    check: { type: tcp }\n    servers: [{ address: 10.0.0.1 }]\n",
    ["4:12: services[0].check.port: missing: a firewall mark has no port, so say which port to probe"],
  ],
  [
    "the default check behind a firewall mark",
    "services:\n  - name: web\n    fwmark: 7\n    servers: [{ address: 10.0.0.1 }]\n",
    ["2:5: services[0].check.port: missing: a firewall mark has no port, so say which port to probe"],
  ],
  [
    "a server port behind a firewall mark with direct routing",
    "services:\n  - name: web\n    fwmark: 7\n    forward: direct\n    check: { type: tcp, port: 80 }\n    servers: [{ address: 10.0.0.1:80 }]\n",
    [
      "6:26: services[0].servers[0].address: forward: direct cannot change the port, the kernel would silently keep the port that clients ask for: leave it out",
    ],
  ],
  [
    "another port with direct routing",
    web("forward: direct\n    check: { port: 80 }", "servers: [{ address: 10.0.0.1:8080 }]"),
    [
      "4:26: services[0].servers[0].address: forward: direct cannot change the port, the kernel would silently keep port 80: leave it out",
    ],
  ],
  [
    "another port for all servers with direct routing",
    web("forward: direct\n    port: 8080\n    check: { port: 80 }"),
    [
      "6:11: services[0].port: forward: direct cannot change the port, the kernel would silently keep port 80: leave it out",
    ],
  ],
  [
    "the default check with direct routing",
    web("forward: direct"),
    [
      "2:5: services[0].check.port: missing: with forward: direct the server's port is left out, so say which port to probe",
    ],
  ],
  [
    "an inherited check with direct routing",
    `defaults: { check: { type: http, path: /x }, forward: direct }\n${web("")}`,
    [
      "3:5: services[0].check.port: missing: with forward: direct the server's port is left out, so say which port to probe",
    ],
  ],
  [
    "a check that could mean two ports",
    "services:\n  - name: web\n    vips: ['192.0.2.1:80', '192.0.2.1:443']\n    servers: [{ address: 10.0.0.1 }]\n",
    [
      "2:5: services[0].check.port: missing: the virtual service's addresses have different ports, so say which port to probe",
    ],
  ],
  [
    "tunnel options without a tunnel",
    web("tunnel: { type: gre }"),
    ["5:5: services[0].tunnel: means something with forward: tunnel only, and nothing here has that"],
  ],
  [
    "a gue tunnel without port",
    web("forward: tunnel\n    tunnel: { type: gue }\n    check: { port: 80 }"),
    ["6:13: services[0].tunnel.port: missing: a gue tunnel needs the UDP port the real server takes it on"],
  ],
  [
    "a remote checksum for gre",
    web("forward: tunnel\n    tunnel: { type: gre, checksum: remote }\n    check: { port: 80 }"),
    ["6:36: services[0].tunnel.checksum: remote checksums are for gue only: expected none or checksum"],
  ],
  [
    "a checksum for ipip",
    web("forward: tunnel\n    tunnel: { checksum: checksum }\n    check: { port: 80 }"),
    ["6:25: services[0].tunnel.checksum: ipip tunnels have no checksum"],
  ],
  [
    "a port for ipip",
    web("forward: tunnel\n    tunnel: { port: 5 }\n    check: { port: 80 }"),
    ["6:21: services[0].tunnel.port: only gue tunnels have a port, this one is ipip"],
  ],
  [
    "a check that is a text",
    web("check: tcp"),
    ['5:12: services[0].check: expected a map such as { type: tcp }, or `check: none`, not "tcp"'],
  ],
  [
    "a check that came out as nothing",
    web("check:"),
    ["5:11: services[0].check: nothing is given: expected a map such as { type: tcp }, or `check: none`"],
  ],
  [
    "a list for check",
    web("check: [{ type: tcp }]"),
    ["5:12: services[0].check: expected a map such as { type: tcp }, or `check: none`, a list stands below `checks`"],
  ],
  [
    "a map for checks",
    web("checks: { type: tcp }"),
    ["5:13: services[0].checks: expected a list of checks; `check: none` switches checks off"],
  ],
  [
    "none for checks",
    web("checks: none"),
    ['5:13: services[0].checks: expected a list of checks, not "none"; `check: none` switches checks off'],
  ],
  [
    "an empty list of checks",
    web("checks: []"),
    ["5:13: services[0].checks: may not be empty; `check: none` switches checks off"],
  ],
  [
    "check beside checks",
    web("check: { type: tcp }\n    checks: [{ type: tcp }]"),
    ["6:5: services[0].checks: `check` and `checks` stand on the same level: put all of them into `checks`"],
  ],
  [
    "no check, said explicitly",
    web("check: none"),
    ["5:12: services[0].check: warning: nothing is checked: servers without a check always count as up"],
  ],
  [
    "a mistyped check type",
    web("check: { type: htpp }"),
    [`5:20: services[0].check.type: expected one of ${TYPES}, did you mean "http"?`],
  ],
  [
    "a check type that is a map",
    web("check: { type: { a: b } }"),
    ["5:20: services[0].check.type: expected text, not a map"],
  ],
  [
    "a key of another check type",
    web("check: { path: /x }"),
    ["5:14: services[0].check.path: unknown key in a check of type tcp, http and https checks have it"],
  ],
  [
    "an unknown key of a check type",
    web("check: { type: http, hosts: a }"),
    ['5:26: services[0].check.hosts: unknown key in a check of type http, did you mean "host"?'],
  ],
  [
    "a mistyped key of every check",
    web("check: { intervall: 2s }"),
    ['5:14: services[0].check.intervall: unknown key in a check of type tcp, did you mean "interval"?'],
  ],
  [
    "an interval that is too short",
    web("check: { interval: 50ms }"),
    ["5:24: services[0].check.interval: must be at least 100ms"],
  ],
  ["a fall of 0", web("check: { fall: 0 }"), ["5:20: services[0].check.fall: expected a whole number from 1 to 100"]],
  [
    "a fast interval above the interval",
    web("check: { interval: 1s, fast_interval: 2s }"),
    ["5:43: services[0].check.fast_interval: 2s is longer than interval, 1s"],
  ],
  [
    "a latency that the timeout would cut short",
    web("check: { type: http, max_latency: 2s }"),
    ["5:39: services[0].check.max_latency: 2s is not shorter than timeout, 2s, which ends a probe first"],
  ],
  [
    "a file of issuers that is missing, and a key without its certificate",
    web("check: { type: https, ca: /nonexistent/ca.pem, key: /nonexistent/own.key }"),
    [
      "5:31: services[0].check.ca: cannot read /nonexistent/ca.pem: no such file",
      "5:57: services[0].check.key: cannot read /nonexistent/own.key: no such file",
    ],
  ],
  [
    "a JSON path that is none",
    web("check: { type: http, expect: { body: { json: [{ path: $.a }, { path: '$.a[' }] } } }"),
    [
      "5:74: services[0].check.expect.body.json[1].path: is not a JSON path (RFC 9535): unclosed bracketed selection ('$.a[':4)",
    ],
  ],
  ["a short interval, which shortens the fast one", web("check: { interval: 500ms }"), []],
  [
    "a timeout of more than ten intervals",
    web("check: { interval: 1s, timeout: 11s }"),
    [
      "5:37: services[0].check.timeout: warning: 11s is more than 10 intervals of 1s: a stalled server is probed that seldom",
    ],
  ],
  [
    "the same check twice",
    web("checks: [{ type: tcp }, { type: tcp, fall: 5 }]"),
    ["5:29: services[0].checks[1]: the same check twice: tcp"],
  ],
  [
    "a source of the other family",
    web("check: { source: 2001:db8::5 }"),
    ["5:22: services[0].check.source: 2001:db8::5 cannot reach 10.0.0.1: one is IPv4, the other IPv6"],
  ],
  [
    "a UDP service without check",
    "services:\n  - name: dns\n    vip: 192.0.2.1:53\n    protocol: udp\n    servers: [{ address: 10.0.0.1 }]\n",
    [
      "2:5: services[0].check: missing: services of protocol udp inherit no tcp or http check; give it a udp check with `expect` or `silence: pass`, or say `check: none`",
    ],
  ],
  [
    "a UDP service below an HTTP default",
    "defaults: { check: { type: http } }\nservices:\n  - name: dns\n    vip: 192.0.2.1:53\n    protocol: udp\n    servers: [{ address: 10.0.0.1 }, { address: 10.0.0.2 }]\n",
    [
      "3:5: services[0].check: missing: services of protocol udp inherit no tcp or http check; give it a udp check with `expect` or `silence: pass`, or say `check: none`",
    ],
  ],
  [
    "a check without type of a UDP service",
    "services:\n  - name: dns\n    vip: 192.0.2.1:53\n    protocol: udp\n    check: { port: 53 }\n    servers: [{ address: 10.0.0.1 }]\n",
    ["5:12: services[0].check.type: missing: say type: udp; services of protocol udp inherit no tcp or http check"],
  ],
  [
    "an SCTP service without check",
    "services:\n  - name: s\n    vip: 192.0.2.1:53\n    protocol: sctp\n    servers: [{ address: 10.0.0.1 }]\n",
    [
      "2:5: services[0].check: missing: services of protocol sctp inherit no tcp or http check; give it a check with a type and port that tells, or say `check: none`",
    ],
  ],
  [
    "a UDP check that expects nothing and does not say so",
    "services:\n  - name: dns\n    vip: 192.0.2.1:53\n    protocol: udp\n    check: { type: udp, send: x }\n    servers: [{ address: 10.0.0.1 }]\n",
    [
      "5:12: services[0].check.expect: missing: say what the reply begins with, or `silence: pass` if the server never answers",
    ],
  ],
  [
    "a mistyped key within an option",
    "services:\n  - name: dns\n    vip: 192.0.2.1:53\n    protocol: udp\n    check: { type: udp, send: { hexx: 00 }, silence: pass }\n    servers: [{ address: 10.0.0.1 }]\n",
    ['5:33: services[0].check.send.hexx: unknown key, did you mean "hex"?'],
  ],
  [
    "two services of one name",
    web("") + web("").replace("services:\n", "").replace("192.0.2.1", "192.0.2.2"),
    ['5:11: services[1].name: the service "web" stands already at d.conf:2:11'],
  ],
  [
    "two services of one address",
    web("") + web("").replace("services:\n", "").replace("web", "api"),
    ['6:10: services[1].vip: tcp 192.0.2.1:80 belongs to service "web" already, at d.conf:3:10'],
  ],
  [
    "one address twice",
    "services:\n  - name: web\n    vips: ['192.0.2.1:80', '192.0.2.1:80']\n    servers: [{ address: 10.0.0.1 }]\n",
    ['3:28: services[0].vips[1]: tcp 192.0.2.1:80 belongs to service "web" already, at d.conf:3:12'],
  ],
  [
    "one server twice",
    web("", "servers: [{ address: 10.0.0.1 }, { address: 10.0.0.1 }]"),
    ["4:49: services[0].servers[1].address: the same server as at d.conf:4:26: 10.0.0.1"],
  ],
  [
    "one server twice, written in two ways",
    web("", "servers: [{ address: 10.0.0.1 }, { address: 10.0.0.1:80 }]"),
    ["4:49: services[0].servers[1].address: the same server as at d.conf:4:26: 10.0.0.1:80 of tcp 192.0.2.1:80"],
  ],
  [
    "two servers of one name",
    web("", "servers: [{ name: a, address: 10.0.0.1 }, { name: a, address: 10.0.0.2 }]"),
    ["4:55: services[0].servers[1].name: the name a is used twice in this service, first at d.conf:4:23"],
  ],
  [
    "a pool that does not exist",
    `${web("", "pool: ap")}pools: { app: { servers: [{ address: 10.0.0.1 }] } }\n`,
    ['4:11: services[0].pool: no pool "ap", did you mean "app"?'],
  ],
  [
    "servers beside a pool",
    `${web("pool: app")}pools: { app: { servers: [{ address: 10.0.0.1 }] } }\n`,
    [
      "4:5: services[0].servers: warning: these replace the servers of the pool, of which only its other keys are taken",
    ],
  ],
  [
    "mistakes in a pool that nobody uses",
    `pools:\n  app:\n    servers: [{ address: 10.1, wieght: 3, check: { fal: 3 } }]\n    schedular: rr\n${web("")}`,
    [
      '3:26: pools.app.servers[0].address: expected an IPv4 or IPv6 address: "10.1" is a short form, write all four numbers',
      '3:32: pools.app.servers[0].wieght: unknown key, did you mean "weight"?',
      '3:52: pools.app.servers[0].check.fal: unknown key in a check of type tcp, did you mean "fall"?',
      '4:5: pools.app.schedular: unknown key, did you mean "scheduler"?',
    ],
  ],
  [
    "a server without address in a pool that nobody uses",
    `pools: { app: { servers: [{ weight: 5 }] } }\n${web("")}`,
    ["1:27: pools.app.servers[0].address: missing: expected an IPv4 or IPv6 address, with or without a port"],
  ],
  [
    "a pool without servers",
    `pools:\n  app: { port: 80 }\n${web("")}`,
    [
      "2:8: pools.app.servers: missing: a template that rendered nothing is not an order; if no servers are meant, say allow_empty: true",
    ],
  ],
  [
    "mistakes in defaults that nobody inherits",
    `defaults: { weigth: 5, check: { type: htp } }\n${web("check: { type: tcp }")}`,
    [
      '1:13: defaults.weigth: unknown key, did you mean "weight"?',
      `1:39: defaults.check.type: expected one of ${TYPES}, did you mean "http"?`,
    ],
  ],
  [
    "a bad default that everybody replaces",
    `defaults: { weight: abc }\n${web("", "servers: [{ address: 10.0.0.1, weight: 5 }]")}`,
    ["1:21: defaults.weight: expected a whole number from 0 to 65535"],
  ],
  [
    "a bad default that two servers inherit",
    `defaults: { check: { fall: 0 } }\n${web("", "servers: [{ address: 10.0.0.1 }, { address: 10.0.0.2 }]")}`,
    ["1:28: defaults.check.fall: expected a whole number from 1 to 100"],
  ],
  ["defaults that are no map", `defaults: 5\n${web("")}`, ["1:11: defaults: expected a map"]],
  ["an address in defaults", `defaults: { vip: 192.0.2.1:80 }\n${web("")}`, ["1:13: defaults.vip: unknown key"]],
  [
    "a server of another family than its service",
    web("", "servers: [{ address: 10.0.0.1 }, { address: 2001:db8::1 }]"),
    ["4:49: services[0].servers[1].address: warning: gets no traffic: the server is IPv6, the service is not"],
  ],
  [
    "a sorry server that is a real server too",
    web("sorry_server: { address: 10.0.0.1 }"),
    ["5:30: services[0].sorry_server.address: is the real server 10.0.0.1 of this service too"],
  ],
  [
    "two ports for a sorry server",
    web("sorry_server: { address: 10.0.0.9:80, port: 81 }"),
    ["5:49: services[0].sorry_server.port: the address says port 80: give it in one place"],
  ],
  [
    "another port of a sorry server with direct routing",
    web("sorry_server: { address: 10.0.0.9:81, forward: direct }"),
    [
      "5:30: services[0].sorry_server.address: forward: direct cannot change the port, the kernel would silently keep port 80: leave it out",
    ],
  ],
  [
    "a sorry server of another family",
    web("sorry_server: { address: 2001:db8::9 }"),
    ["5:30: services[0].sorry_server.address: warning: never serves: it is IPv6, the service is not"],
  ],
  [
    "a sorry server for a part of the clients",
    web("sorry_server: { address: 10.0.0.9 }").replace(
      "vip: 192.0.2.1:80",
      'vips: ["192.0.2.1:80", "[2001:db8::1]:80"]',
    ),
    [
      "3:28: services[0].vips[1]: warning: tcp [2001:db8::1]:80 gets no server: all are IPv4, and only tunnels cross families",
      "5:30: services[0].sorry_server.address: warning: serves IPv4 clients only; for the others the real servers keep what they have",
    ],
  ],
  [
    "a listener without address",
    `http: { listen: [':9180'] }\n${web("")}`,
    [
      "1:18: http.listen[0]: say where to listen: 127.0.0.1:9180 for this machine only, 0.0.0.0:9180 or [::]:9180 for all",
    ],
  ],
  ["http without listeners", `http: {}\n${web("")}`, ["1:7: http.listen: missing: expected a list"]],
  ["http that came out as nothing", `http:\n${web("")}`, ["1:6: http: nothing is given: expected a map"]],
  [
    "a listener twice",
    `http: { listen: ['127.0.0.1:80', '127.0.0.1:80'] }\n${web("")}`,
    ["1:34: http.listen[1]: 127.0.0.1:80 is given twice"],
  ],
  [
    "a mode that is not octal",
    `control: { mode: 0999 }\n${web("")}`,
    ["1:18: control.mode: expected permission bits in octal such as 0660"],
  ],
  [
    "one socket for commanding and reading",
    `control: { read_only: { socket: /run/director/control.sock } }\n${web("")}`,
    ["1:33: control.read_only.socket: is the socket that takes commands"],
  ],
  [
    "a socket path that is too long",
    `control: { socket: /${"a".repeat(107)} }\n${web("")}`,
    ["1:20: control.socket: too long for a socket: at most 107 bytes"],
  ],
  [
    "a relative command",
    `ipvs: { command: ipvsadm }\n${web("")}`,
    ["1:18: ipvs.command: expected an absolute path, beginning with /"],
  ],
  [
    "mistakes in the sync daemon",
    `ipvs: { sync: { role: slave, interface: eth/0, id: 256 } }\n${web("")}`,
    [
      "1:23: ipvs.sync.role: expected one of master, backup, both",
      "1:41: ipvs.sync.interface: expected the name of a network interface",
      "1:52: ipvs.sync.id: expected a whole number from 0 to 255",
    ],
  ],
  [
    "a share without percent sign",
    `reload: { max_removed: 0.5 }\n${web("")}`,
    ["1:24: reload.max_removed: expected a percentage from 0% to 100%"],
  ],
  [
    "mistakes in labels",
    web("", "servers: [{ address: 10.0.0.1, labels: { 'a b': c, d: [e] } }]"),
    [
      '4:46: services[0].servers[0].labels["a b"]: expected a label of up to 64 letters, digits and . _ -',
      "4:59: services[0].servers[0].labels.d: expected text, not a list",
    ],
  ],
  [
    "an exec check of nothing",
    web("check: { type: exec }"),
    ["5:12: services[0].check.command: missing: expected a list: a program and its arguments"],
  ],
  [
    "an exec check of an empty list",
    web("check: { type: exec, command: [] }"),
    ["5:35: services[0].check.command: may not be empty: a program and its arguments"],
  ],
  [
    "an exec check that is a line for a shell",
    web("check: { type: exec, command: check_db -H localhost }"),
    ['5:35: services[0].check.command: expected a list: a program and its arguments, not "check_db -H localhost"'],
  ],
  [
    "an exec check of a program without its path",
    web("check: { type: exec, command: [check_db, -H, '{address}'] }"),
    ['5:36: services[0].check.command[0]: expected the program\'s absolute path, not "check_db"'],
  ],
  [
    "an environment that is not one",
    web("check: { type: exec, command: [/bin/true], env: { 'A B': c, DIRECTOR_PORT: 1, OK: 1 } }"),
    [
      '5:62: services[0].check.env["A B"]: is no name of a variable',
      "5:80: services[0].check.env.DIRECTOR_PORT: names with DIRECTOR_ are director's own",
    ],
  ],
  [
    "an agent without its port, and alone",
    web("check: { type: agent }"),
    [
      "5:12: services[0].check: warning: an agent alone does not tell when its server is dead: add another check",
      "5:12: services[0].check.port: missing: an agent listens at a port of its own, so say which port to probe",
    ],
  ],
  [
    "an agent without its port beside another check",
    web("checks: [{ type: agent }, { type: tcp }]"),
    ["5:14: services[0].checks[0].port: missing: an agent listens at a port of its own, so say which port to probe"],
  ],
  [
    "flap damping after a single time",
    web("flap: { count: 1 }"),
    ["5:20: services[0].flap.count: expected a whole number from 2 to 100"],
  ],
  [
    "flap damping with a hold above its end",
    web("flap: { hold: 2h }"),
    ["5:11: services[0].flap.max: 1h is below hold, 2h"],
  ],
  ["flap damping that is a word", web("flap: on"), ['5:11: services[0].flap: expected a map, or none, not "on"']],
  [
    "a mistyped key of flap damping",
    web("flap: { cuont: 3 }"),
    ['5:13: services[0].flap.cuont: unknown key, did you mean "count"?'],
  ],
  ["pools that are no map", `pools: []\n${web("")}`, ["1:8: pools: expected a map of pools"]],
];

test("a program that is not there is warned of where somebody looks", () => {
  const file = web("check: { type: exec, command: [/opt/check] }");
  const seen: string[] = [];
  const runnable = (path: string) => seen.push(path) === 0;
  const { config, problems } = parseConfig(
    { file: "d.conf", text: file },
    { probeTypes, runnable, readInclude: () => err("none") },
  );
  assert.ok(config);
  assert.deepEqual(problems.map(formatProblem), [
    "d.conf:5:35: services[0].check.command: warning: /opt/check is not there, or cannot be run: as long as that is so nothing is checked",
  ]);
  assert.deepEqual(seen, ["/opt/check"]);
});

describe("problems are all reported, each at its place and with the remedy", () => {
  for (const [what, file, problems] of rows)
    test(what, () => {
      assert.deepEqual(
        problemsOf(file),
        problems.map((line) => `d.conf:${line}`),
      );
      const refused = problems.some((line) => !line.includes(": warning: "));
      assert.equal(
        parse(file).config === undefined,
        refused,
        "a configuration comes out exactly if nothing is an error",
      );
    });
});
