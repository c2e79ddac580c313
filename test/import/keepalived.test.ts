import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Service } from "../../src/model/service.ts";
import { configOf, runKeepalived, virtualServer } from "./support.ts";

function only(text: string, recommended = false): Service {
  const [service, ...others] = configOf(runKeepalived(text, { recommended })).services;
  assert.equal(others.length, 0);
  return service!;
}

const service = (lines: string) => only(virtualServer(lines));
const server = (lines: string) => only(virtualServer("", lines)).servers[0]!;
const check = (lines: string, above = "") => only(virtualServer(above, lines)).servers[0]?.checks[0];

describe("what a virtual server becomes", () => {
  const table: readonly (readonly [
    what: string,
    lines: string,
    of: (service: Service) => unknown,
    expected: unknown,
  ])[] = [
    ["without lvs_sched it is wlc", "", (s) => s.scheduler, "wlc"],
    ["lvs_sched", "lvs_sched mh\nmh-port", (s) => [s.scheduler, s.schedulerFlags], ["mh", ["mh-port"]]],
    ["the later scheduler counts", "lb_algo rr\nlb_algo wrr", (s) => s.scheduler, "wrr"],
    ["flag-1 of sh is sh-fallback", "lb_algo sh\nflag-1", (s) => s.schedulerFlags, ["sh-fallback"]],
    ["a flag of another scheduler is left out", "lb_algo sh\nsh-port\nlb_algo rr", (s) => s.schedulerFlags, []],
    ["ops for TCP is left out", "ops", (s) => s.onePacket, false],
    ["ops for UDP", "protocol UDP\nops", (s) => s.onePacket, true],
    ["a server that fails is deleted", "", (s) => s.onFailure, "remove"],
    ["but not with inhibit_on_failure", "inhibit_on_failure", (s) => s.onFailure, "quiesce"],
    ["servers are up from the start", "", (s) => s.initial, "up"],
    ["but not with alpha", "alpha", (s) => s.initial, "down"],
    ["NAT", "lb_kind NAT", (s) => s.servers[0]?.forwarding, { kind: "masquerade" }],
    [
      "DR keeps the port of the virtual server",
      "lb_kind DR",
      (s) => [s.servers[0]?.forwarding.kind, s.servers[0]?.port, s.servers[0]?.checks[0]?.target.port],
      ["direct", undefined, 8080],
    ],
    ["TUN", "lvs_method TUN", (s) => s.servers[0]?.forwarding, { kind: "tunnel", encapsulation: "ipip" }],
    [
      "TUN type gre csum",
      "lvs_method TUN type gre csum",
      (s) => s.servers[0]?.forwarding,
      { kind: "tunnel", encapsulation: "gre", checksum: "checksum" },
    ],
    [
      "persistence_timeout",
      "persistence_timeout 50",
      (s) => s.persistence,
      { timeoutSec: 50, prefix: { v4: 32, v6: 128 }, engine: undefined },
    ],
    ["alone it is 360 seconds", "persistence_timeout", (s) => s.persistence?.timeoutSec, 360],
    [
      "a granularity switches it on",
      "persistence_granularity 255.255.0.0",
      (s) => [s.persistence?.timeoutSec, s.persistence?.prefix.v4],
      [360, 16],
    ],
    ["an engine alone does not", "persistence_engine sip", (s) => s.persistence, undefined],
    ["the weight of the virtual server is that of its real servers", "weight 7", (s) => s.servers[0]?.weight, 7],
    ["else they have 1", "", (s) => s.servers[0]?.weight, 1],
    [
      "sorry_server",
      "sorry_server 10.0.0.9 80",
      (s) => [s.sorryServer?.address.text, s.sorryServer?.port],
      ["10.0.0.9", 80],
    ],
    [
      "it goes the way of the virtual server",
      "lb_kind DR\nsorry_server 10.0.0.9 81",
      (s) => [s.sorryServer?.forwarding.kind, s.sorryServer?.port],
      ["direct", undefined],
    ],
    [
      "unless it says otherwise",
      "sorry_server 10.0.0.9 80\nsorry_server_lvs_method DR",
      (s) => s.sorryServer?.forwarding.kind,
      "direct",
    ],
    ["its name", "", (s) => s.name, "192.0.2.10:80"],
    ["snmp_name is a name", "snmp_name web_1", (s) => s.name, "web_1"],
  ];
  for (const [what, lines, of, expected] of table) test(what, () => assert.deepEqual(of(service(lines)), expected));

  test("without a protocol it is UDP, as keepalived 2 has it", () => {
    const ran = runKeepalived("virtual_server 192.0.2.1 53 {\nreal_server 10.0.0.1 53 {\n}\n}");
    const [frontend] = configOf(ran).services[0]!.frontends;
    assert.equal(frontend?.kind === "address" && frontend.protocol, "udp");
    assert.deepEqual(ran.losses, ["changed k.conf:1 protocol"]);
  });

  test("no checker, no check", () => assert.deepEqual(only(virtualServer("", "")).servers[0]?.checks, []));

  test("a firewall mark takes the family of its servers", () => {
    const text = "virtual_server fwmark 3 {\nlb_kind DR\nreal_server 2001:db8::1 80 {\nTCP_CHECK {\n}\n}\n}";
    assert.deepEqual(only(text).frontends, [{ kind: "fwmark", mark: 3, family: 6 }]);
    assert.equal(only(text).servers[0]?.checks[0]?.target.port, 80);
  });

  test("a group is one service for all its addresses, and one for each mark", () => {
    const group = "virtual_server_group g {\n192.0.2.1-2 80\n2001:db8::fffe-ffff 80\nfwmark 5 inet\n}\n";
    const { services } = configOf(
      runKeepalived(`${group}${virtualServer("lb_kind TUN", "TCP_CHECK {\n}", "group g")}`),
    );
    assert.deepEqual(
      services.map(({ name, frontends }) => [name, frontends.length]),
      [
        ["g", 4],
        ["g-fwmark-5", 1],
      ],
    );
    assert.deepEqual(
      services[0]?.frontends.map((f) => f.kind === "address" && f.address.text),
      ["192.0.2.1", "192.0.2.2", "2001:db8::fffe", "2001:db8::ffff"],
    );
  });

  describe("left out as a whole, as keepalived has it", () => {
    const of = (members: string, lines = "") =>
      `virtual_server_group g {\n${members}\n}\n${virtualServer(lines, "", "group g")}`;
    const [no, noGroup] = ["refused k.conf:5 virtual_server group g", "refused k.conf:1 virtual_server_group g"];
    const lines: readonly (readonly [what: string, text: string, losses: readonly string[]])[] = [
      [
        "no real server",
        "virtual_server 192.0.2.9 80 {\nprotocol TCP\n}\n",
        ["refused k.conf:1 virtual_server 192.0.2.9 80"],
      ],
      [
        "no real server of its family",
        virtualServer("", "", "2001:db8::9 80"),
        ["refused k.conf:1 virtual_server 2001:db8::9 80"],
      ],
      ["behind a tunnel it may be of the other", virtualServer("lb_kind TUN", "", "2001:db8::9 80"), []],
      ["a group of both families", of("192.0.2.8 80\n2001:db8::8 80"), [no]],
      ["the same behind tunnels", of("192.0.2.8 80\n2001:db8::8 80", "lb_kind TUN"), []],
      ["a mark of the other family is one of them", of("192.0.2.8 80\nfwmark 5 inet6"), [no]],
      ["a mark of its own is not", of("192.0.2.8 80\nfwmark 5 inet"), []],
      ["a mark of none is not", of("192.0.2.8 80\nfwmark 5"), []],
      ["a group of the other family", of("2001:db8::8 80\n2001:db8::9 80"), [no]],
      [
        "a group of both, and a mark of none",
        of("192.0.2.8 80\n2001:db8::8 80\nfwmark 5", "lb_kind TUN"),
        [noGroup, "refused k.conf:6 virtual_server group g"],
      ],
    ];
    for (const [what, text, losses] of lines)
      test(what, () => {
        const ran = runKeepalived(text + virtualServer(""));
        assert.deepEqual(ran.losses, losses);
        assert.equal(configOf(ran).services.length, losses.length > 0 ? 1 : text.includes("mark") ? 3 : 2);
      });
  });

  test("sync daemon and timeouts", () => {
    const globals = "global_defs {\nlvs_timeouts tcp 900 udp 30\nlvs_sync_daemon eth1 id 9\n}\n";
    const { ipvs } = configOf(runKeepalived(globals + virtualServer("")));
    assert.deepEqual(ipvs.timeouts, { tcp: 900, tcpFin: undefined, udp: 30 });
    assert.deepEqual(ipvs.sync, { role: "both", interface: "eth1", id: 9 });
  });

  test("--recommended leaves on_failure, initial and rise to director", () => {
    const recommended = only(virtualServer(""), true);
    assert.deepEqual(
      [recommended.onFailure, recommended.initial, recommended.servers[0]?.checks[0]?.rise],
      ["auto", "adopt", 2],
    );
  });
});

describe("quorum: the same weights gain and lose it", () => {
  const pool = (quorum: string, weights: readonly number[]) =>
    `virtual_server 192.0.2.10 80 {\nprotocol TCP\n${quorum}\n${weights.map((w, i) => `real_server 10.0.0.${i + 1} 80 {\nweight ${w}\n}\n`).join("")}}\n`;
  const marks = (text: string) => only(text).quorum;
  const servers = (up: number, down: number) => ({
    up: { kind: "servers", count: up },
    down: { kind: "servers", count: down },
  });

  for (const [quorum, weights, expected] of [
    ["", [1, 1], servers(1, 1)],
    ["quorum 2", [1, 1, 1], servers(2, 2)],
    ["quorum 2\nhysteresis 1", [1, 1, 1], servers(3, 1)],
    ["quorum 150", [100, 100], servers(2, 2)],
    ["quorum 150\nhysteresis 60", [100, 100, 100, 0], servers(3, 1)],
    ["quorum 0", [1], servers(1, 1)],
    ["quorum 9", [1, 1], servers(2, 2)],
    ["quorum 2\nhysteresis 2", [1, 1, 1], servers(3, 1)],
  ] as const)
    test(`${quorum.replace("\n", ", ")} of ${weights}`, () => assert.deepEqual(marks(pool(quorum, weights)), expected));

  test("where weights differ, exactly the same sums reach the share", () => {
    for (const weights of [
      [1, 2],
      [3, 5, 7],
      [100, 33, 1],
      [50, 30, 0],
      [1, 65_535],
    ]) {
      const total = weights.reduce((a, b) => a + b, 0);
      for (const quorum of new Set([2, Math.ceil(total / 3), Math.ceil(total / 2), total - 1, total])) {
        const { up } = marks(pool(`quorum ${quorum}`, weights));
        for (let alive = 1; alive < 1 << weights.length; alive++) {
          const sum = weights.reduce((all, weight, i) => all + ((alive >> i) & 1 ? weight : 0), 0);
          if (sum === 0) continue;
          const reaches = up.kind === "weight" ? sum / total >= up.share - 1e-9 : sum >= up.count;
          assert.equal(reaches, sum >= quorum, `${sum} of ${total}, quorum ${quorum}, ${JSON.stringify(up)}`);
        }
      }
    }
  });
});

describe("checks", () => {
  const timings = (lines: string, above = "") => {
    const found = check(lines, above);
    return found && [found.interval, found.timeout, found.fall, found.rise, found.fastInterval, found.downInterval];
  };
  for (const [what, lines, above, expected] of [
    ["keepalived's defaults", "TCP_CHECK {\n}", "", [60_000, 5_000, 2, 1, 1_000, 60_000]],
    ["of HTTP_GET", "HTTP_GET {\nurl {\npath /\n}\n}", "", [60_000, 10_000, 2, 1, 3_000, 60_000]],
    ["of DNS_CHECK", "DNS_CHECK {\n}", "", [60_000, 5_000, 4, 1, 60_000, 60_000]],
    ["of MISC_CHECK", 'MISC_CHECK {\nmisc_path "/bin/x"\n}', "delay_loop 7", [7_000, 7_000, 1, 1, 1_000, 7_000]],
    [
      "the virtual server's",
      "TCP_CHECK {\n}",
      "delay_loop 6\nretry 4\ndelay_before_retry 2\nconnect_timeout 3",
      [6_000, 3_000, 5, 1, 2_000, 6_000],
    ],
    [
      "the real server's come before them",
      "delay_loop 5\nTCP_CHECK {\n}",
      "delay_loop 6",
      [5_000, 5_000, 2, 1, 1_000, 5_000],
    ],
    [
      "the checker's before all",
      "delay_loop 5\nTCP_CHECK {\ndelay_loop 4\nretry 0\n}",
      "delay_loop 6",
      [4_000, 5_000, 1, 1, 1_000, 4_000],
    ],
    [
      "what cannot be read does not count",
      "TCP_CHECK {\ndelay_loop 500ms\n}",
      "delay_loop 6",
      [6_000, 5_000, 2, 1, 1_000, 6_000],
    ],
    [
      "never longer than the interval",
      "TCP_CHECK {\n}",
      "delay_loop 2\ndelay_before_retry 9",
      [2_000, 5_000, 2, 1, 2_000, 2_000],
    ],
    ["director's shortest", "TCP_CHECK {\n}", "delay_loop 0.05\ndelay_before_retry 0", [100, 5_000, 2, 1, 100, 100]],
    [
      "HTTP_GET is not asked sooner while down",
      "HTTP_GET {\nurl {\npath /\n}\n}",
      "delay_loop 2\ndelay_before_retry 9",
      [2_000, 10_000, 2, 1, 2_000, 9_000],
    ],
  ] as const)
    test(`timings: ${what}`, () => assert.deepEqual(timings(lines, above), expected));

  const asked = (lines: string, above = "") => {
    const found = check(lines, above);
    return (
      found && { type: found.type, options: found.options as Readonly<Record<string, unknown>>, target: found.target }
    );
  };
  const http = (lines: string, above = "", outside = "") =>
    asked(`HTTP_GET {\n${outside}\nurl {\npath /x\n${lines}\n}\n}`, above)?.options;

  test("the port of the real server, unless the checker has another", () => {
    assert.equal(asked("TCP_CHECK {\n}")?.target.port, 8080);
    const other = asked("TCP_CHECK {\nconnect_ip 10.0.0.77\nconnect_port 99\nbindto 10.0.0.78\n}");
    assert.deepEqual([other?.target.address.text, other?.target.port], ["10.0.0.77", 99]);
  });

  test("Host: url, checker, real server, virtual server, in this order", () => {
    assert.equal(http("virtualhost a", "virtualhost d", "virtualhost b")?.host, "a");
    assert.equal(http("", "virtualhost d", "virtualhost b")?.host, "b");
    assert.equal(http("", "virtualhost d")?.host, "d");
    assert.equal(http("")?.host, undefined);
  });

  test("status codes and ranges", () => {
    const status = (codes: string) => (http(codes)?.expect as { readonly status: unknown } | undefined)?.status;
    assert.deepEqual(status("status_code 200 301-302"), [
      { from: 200, to: 200 },
      { from: 301, to: 302 },
    ]);
    assert.deepEqual(status(""), [{ from: 200, to: 299 }]);
    assert.deepEqual(status("status_code 150-250"), [{ from: 200, to: 250 }]);
  });

  const bodies = (lines: string) =>
    (http(lines)?.expect as { readonly body?: { readonly regex?: string } } | undefined)?.body?.regex;
  test("a regular expression, with its options", () => {
    assert.equal(bodies("regex a.c"), "a.c");
    assert.ok(new RegExp(bodies('regex "^ok$"\nregex_options caseless multiline')!).test("x\nOK\ny"));
    assert.equal(bodies("regex a(?>b)"), undefined);
    assert.equal(bodies("regex a b"), undefined);
  });

  test("the end of a text is also before its last line break, as Perl has it", () => {
    const fits = (regex: string, body: string) => new RegExp(bodies(`regex ${regex}`)!).test(body);
    const rows: readonly (readonly [regex: string, body: string, fits: boolean])[] = [
      ['"well$"', "is well", true],
      ['"well$"', "is well\n", true],
      ['"well$"', "is well\n\n", false],
      ['"well$"', "well, well, no\n", false],
      [String.raw`"5\\$"`, "5$ each", true],
      ['"[]$]x"', "$x", true],
      ['"(?m)well$"', "well\nor not", true],
    ];
    for (const [regex, body, expected] of rows) assert.equal(fits(regex, body), expected, `${regex} ${body}`);
  });

  test("a regular expression loses single backslashes to keepalived, within quotes too", () => {
    for (const [written, found] of [
      [String.raw`"a\\sb"`, String.raw`a\sb`],
      [String.raw`"a\sb"`, "asb"],
      [String.raw`'a\.b'`, "a.b"],
    ] as const)
      assert.equal(bodies(`regex ${written}`), found, written);
  });

  test("regex_no_match matches exactly where the other does not", () => {
    const no = new RegExp(bodies('regex "err|^fail"\nregex_no_match')!);
    assert.deepEqual(
      ["fine", "an err", "fail", "no\nerr", "no fail"].map((body) => no.test(body)),
      [true, false, false, false, true],
    );
  });

  test("SSL_GET verifies nothing, and SNI is that of sni_name", () => {
    const found = asked("SSL_GET {\nsni_name www.example.com\nurl {\npath /\n}\n}");
    assert.deepEqual([found?.type, found?.options.verify, found?.options.sni], ["https", false, "www.example.com"]);
  });

  test("every url is a check", () => {
    const found = only(virtualServer("", "HTTP_GET {\nurl {\npath /a\n}\nurl {\npath /b\n}\nurl {\npath /a\n}\n}"));
    assert.deepEqual(
      found.servers[0]?.checks.map(({ label }) => label),
      ["http GET /a", "http GET /b"],
    );
  });

  test("UDP_CHECK", () => {
    const udp = (lines: string) =>
      check(`UDP_CHECK {\n${lines}\n}`, "protocol UDP")?.options as {
        readonly send: unknown;
        readonly expect?: unknown;
        readonly silence?: string;
      };
    assert.deepEqual([udp("").send, udp("").silence], [{ text: "keepalived check - keepalived ch" }, "pass"]);
    assert.deepEqual(udp("require_reply 01xX").expect, { hex: "01xx", max_length: 255 });
    assert.deepEqual(udp("require_reply Ab12f 3 456").expect, { hex: "ab120f034506", max_length: 255 });
    assert.deepEqual(udp("require_reply 0x01").expect, { hex: "0x01", max_length: 255 });
    assert.deepEqual(udp("require_reply 00ff").expect, { hex: "00ff", max_length: 255 });
    assert.deepEqual(runKeepalived(virtualServer("", "UDP_CHECK {\nrequire_reply 00ff\npayload FF\n}")).losses, [
      "changed k.conf:6 require_reply",
      "changed k.conf:7 payload",
    ]);
    assert.deepEqual(udp("payload 1 203").send, { hex: Uint8Array.of(1, 0x20, 3) });
    assert.deepEqual(udp("payload 0x01").send, { text: "keepalived check - keepalived ch" });
    assert.deepEqual(udp("require_reply 01\nmin_reply_length 4\nmax_reply_length 9").expect, {
      hex: "01",
      min_length: 4,
      max_length: 9,
    });
    assert.deepEqual(udp("require_reply").expect, { min_length: 0 });
    assert.deepEqual(udp("require_reply 010203\nmax_reply_length 2").expect, { hex: "0102", max_length: 2 });
  });

  test("DNS_CHECK, SMTP_CHECK and MISC_CHECK", () => {
    const dns = asked("DNS_CHECK {\ntype mx\nname example.com\n}");
    assert.deepEqual([dns?.type, dns?.options.record, dns?.options.name], ["dns", "MX", "example.com"]);
    assert.deepEqual(
      [asked("SMTP_CHECK {\n}")?.type, asked("SMTP_CHECK {\n}")?.options.helo],
      ["smtp", "smtpchecker.keepalived.org"],
    );
    const misc = asked("MISC_CHECK {\nmisc_path \"/bin/check -H 'a b' x\"\nmisc_dynamic\n}");
    assert.deepEqual(
      [misc?.type, misc?.options.command, misc?.options.dynamic_weight],
      ["exec", ["/bin/check", "-H", "a b", "x"], true],
    );
  });

  test("username and password are Basic authorization", () => {
    assert.deepEqual(http("username lb\npassword s:x")?.headers, { Authorization: `Basic ${btoa("lb:s:x")}` });
  });

  test("every host block of SMTP_CHECK is a check", () => {
    const hosts = "host {\nconnect_ip 10.0.0.5\n}\nhost {\nconnect_port 587\n}\n";
    const checks = only(virtualServer("", `SMTP_CHECK {\nretry 4\n${hosts}}`)).servers[0]?.checks;
    assert.deepEqual(
      checks?.map(({ target, fall }) => [target.address.text, target.port, fall]),
      [
        ["10.0.0.5", 8080, 5],
        ["10.0.0.1", 587, 5],
      ],
    );
  });

  test("thresholds", () => {
    const found = server("uthreshold 100\nlthreshold 50\nTCP_CHECK {\n}");
    assert.deepEqual(found.limits, { upper: 100, lower: 50 });
  });
});

describe("hooks", () => {
  const hooks = (text: string) =>
    configOf(runKeepalived(text)).hooks.map(({ on, services, action }) => [
      on,
      services,
      action.kind === "command" && action.argv,
    ]);

  test("those of a quorum", () => {
    assert.deepEqual(hooks(virtualServer('quorum_up "/bin/q up"\nquorum_down "/bin/q down"')), [
      [["service.quorum-regained"], ["192.0.2.10:80"], ["/bin/q", "up"]],
      [["service.quorum-lost"], ["192.0.2.10:80"], ["/bin/q", "down"]],
    ]);
  });

  test("services that run the same have one together", () => {
    const of = (n: number) => virtualServer('quorum_down "/bin/q"', "", `192.0.2.${n} 80`);
    assert.deepEqual(hooks(of(1) + of(2)), [[["service.quorum-lost"], ["192.0.2.1:80", "192.0.2.2:80"], ["/bin/q"]]]);
  });

  test("names that are cut are still different", () => {
    const of = (n: number) =>
      virtualServer(`snmp_name ${"n".repeat(70)}${n}\nquorum_up "/bin/q ${n}"`, "", `192.0.2.${n} 80`);
    assert.equal(new Set(configOf(runKeepalived(of(1) + of(2))).hooks.map(({ name }) => name)).size, 2);
  });

  test("those that all servers have alike; others are dropped", () => {
    const two = (first: string, second: string) =>
      `virtual_server 192.0.2.10 80 {\nprotocol TCP\nreal_server 10.0.0.1 80 {\n${first}\n}\nreal_server 10.0.0.2 80 {\n${second}\n}\n}\n`;
    const one = 'notify_down "/bin/n"';
    assert.deepEqual(hooks(two(one, one)), [[["server.down"], ["192.0.2.10:80"], ["/bin/n"]]]);
    assert.deepEqual(hooks(two(one, "")), []);
    assert.deepEqual(runKeepalived(two(one, 'notify_down "/bin/m"')).losses, [
      "dropped k.conf:4 notify_down /bin/n",
      "dropped k.conf:7 notify_down /bin/m",
    ]);
  });
});

test("conditions within VRRP do not matter, others do", () => {
  const vrrp = "vrrp_instance A {\n@a state MASTER\n@b state BACKUP\ninclude gone\n}\n";
  assert.deepEqual(runKeepalived(vrrp + virtualServer("")).losses, []);
  assert.deepEqual(runKeepalived(vrrp + virtualServer("@a retry 2")).losses, ["refused k.conf:8 @a"]);
});

describe("nothing is written", () => {
  for (const [what, text] of [
    ["of nothing", ""],
    ["of VRRP alone", "vrrp_instance A {\nstate MASTER\n}"],
    ["of braces that do not match", "virtual_server 192.0.2.1 80 {\nprotocol TCP\n"],
    ["of all ports of an address alone", "virtual_server 192.0.2.1 {\nprotocol TCP\n}"],
  ] as const)
    test(what, () => {
      const { text: written, losses } = runKeepalived(text);
      assert.equal(written, undefined);
      assert.ok(losses.some((loss) => loss.startsWith("stopped")));
    });
});

test("what others wrote cannot leave its comment", () => {
  const { text } = runKeepalived(
    virtualServer('virtualhost "a\rservices: []\u2028x\x1b[2J"\n', 'HTTP_GET {\nurl {\npath "/\u2028#\x07"\n}\n}'),
  );
  assert.doesNotMatch(text!.replaceAll("\n", ""), /[\p{Cc}\u2028]/u);
});
