import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { errorsIn, runKeepalived, runLdirectord } from "./support.ts";

/*
 * Whatever a file holds: the import ends, says something or writes something, and what it writes is a configuration director takes.
 */

const address = fc.constantFrom(
  "10.0.0.1",
  "10.0.0.2",
  "192.0.2.10",
  "2001:db8::1",
  "127.0.0.1",
  "0.0.0.0",
  "::",
  "fe80::1",
  "224.0.0.1",
  "010.0.0.1",
  "host",
);
const number = fc.constantFrom(
  "0",
  "1",
  "2",
  "3",
  "80",
  "443",
  "100",
  "65535",
  "65536",
  "4294967295",
  "0.5",
  "0.05",
  "90000",
  "-1",
  "500ms",
  "x",
);
const odd = fc.constantFrom(
  '"a b"',
  "'x'",
  "/usr/bin/x",
  '"/usr/bin/x \\0"',
  '"/usr/bin/x -a \\"b\\" c" root',
  "$UNKNOWN",
  "$" + "{_PWD}",
  "on",
  "false",
  "#",
  "!",
  "\\",
  '"',
  "é",
  "{}",
  "/p?a=b",
  "0a0bxx",
  "TUN type gue port 5 csum",
);
const word = fc.oneof(
  { weight: 3, arbitrary: number },
  address,
  odd,
  fc.constantFrom(
    "TCP",
    "UDP",
    "SCTP",
    "DR",
    "NAT",
    "TUN",
    "rr",
    "wrr",
    "wlc",
    "sh",
    "mh",
    "dh",
    "sip",
    "inet6",
    "255.255.255.0",
    "64",
    "group",
    "fwmark",
    "G",
    "MX",
    "caseless",
  ),
);

const SERVER_WORDS = [
  "weight",
  "lvs_method",
  "uthreshold",
  "lthreshold",
  "inhibit_on_failure",
  "alpha",
  "notify_up",
  "notify_down",
  "smtp_alert",
  "virtualhost",
  "snmp_name",
  "delay_loop",
  "retry",
  "delay_before_retry",
  "warmup",
  "connect_timeout",
];
const SERVICE_WORDS = [
  "delay_loop",
  "lvs_sched",
  "lb_algo",
  "lb_kind",
  "lvs_method",
  "protocol",
  "persistence_timeout",
  "persistence_granularity",
  "persistence_engine",
  "quorum",
  "hysteresis",
  "quorum_up",
  "quorum_down",
  "sorry_server",
  "sorry_server_inhibit",
  "sorry_server_lvs_method",
  "alpha",
  "omega",
  "ops",
  "flag-1",
  "flag-2",
  "flag-3",
  "sh-port",
  "mh-fallback",
  "inhibit_on_failure",
  "weight",
  "virtualhost",
  "ip_family",
  "ha_suspend",
  "retry",
  "delay_before_retry",
  "connect_timeout",
  "snmp_name",
  "smtp_alert",
];
const CHECK_WORDS = [
  "connect_ip",
  "connect_port",
  "bindto",
  "bind_port",
  "bind_if",
  "connect_timeout",
  "fwmark",
  "alpha",
  "retry",
  "delay_before_retry",
  "warmup",
  "delay_loop",
  "log_all_failures",
  "virtualhost",
  "http_protocol",
  "enable_sni",
  "sni_name",
  "nb_get_retry",
  "payload",
  "require_reply",
  "min_reply_length",
  "max_reply_length",
  "type",
  "name",
  "helo_name",
  "misc_path",
  "misc_timeout",
  "misc_dynamic",
  "user",
  "track_file",
];
const URL_WORDS = [
  "path",
  "path",
  "status_code",
  "digest",
  "virtualhost",
  "regex",
  "regex_no_match",
  "regex_options",
  "regex_min_offset",
  "regex_stack",
];
const CHECKERS = [
  "TCP_CHECK",
  "HTTP_GET",
  "SSL_GET",
  "UDP_CHECK",
  "DNS_CHECK",
  "SMTP_CHECK",
  "MISC_CHECK",
  "PING_CHECK",
  "FILE_CHECK",
  "BFD_CHECK",
  "FOO_CHECK",
];

const line = (keywords: readonly string[]) =>
  fc.tuple(fc.constantFrom(...keywords), fc.array(word, { maxLength: 3 })).map((parts) => parts.flat().join(" "));
const lines = (keywords: readonly string[], maxLength: number) =>
  fc.array(line(keywords), { maxLength }).map((all) => all.join("\n"));
const block = (head: fc.Arbitrary<string>, body: fc.Arbitrary<string>) =>
  fc.tuple(head, body).map(([above, inside]) => `${above} {\n${inside}\n}`);
const several = (parts: readonly fc.Arbitrary<string>[]) => fc.tuple(...parts).map((all) => all.join("\n"));

const url = block(fc.constant("url"), several([fc.constantFrom("path /x", "path y", ""), lines(URL_WORDS, 4)]));
const checker = block(
  fc.constantFrom(...CHECKERS),
  several([lines(CHECK_WORDS, 4), fc.array(url, { maxLength: 2 }).map((all) => all.join("\n"))]),
);
const realServer = block(
  fc.tuple(address, number).map(([ip, port]) => `real_server ${ip} ${port}`),
  several([lines(SERVER_WORDS, 4), fc.array(checker, { maxLength: 2 }).map((all) => all.join("\n"))]),
);
const target = fc.oneof(
  fc.tuple(address, number).map((both) => both.join(" ")),
  fc.constantFrom("192.0.2.10 80", "192.0.2.10 80", "2001:db8::5 443", "fwmark 7", "group G", "group H"),
);
const service = block(
  target.map((at) => `virtual_server ${at}`),
  several([
    fc.constantFrom("protocol TCP", "protocol UDP", ""),
    lines(SERVICE_WORDS, 6),
    fc.array(realServer, { maxLength: 3 }).map((all) => all.join("\n")),
  ]),
);
const group = block(
  fc.constantFrom("virtual_server_group G", "virtual_server_group H"),
  fc
    .array(
      fc.constantFrom(
        "192.0.2.1 80",
        "192.0.2.1-5 80",
        "192.0.2.0/29 443",
        "2001:db8::1-f 80",
        "fwmark 9",
        "fwmark 10 inet6",
        "192.0.2.1",
        "1.2.3.4-900 1",
        "10.0.0.0/8 80",
      ),
      { maxLength: 4 },
    )
    .map((all) => all.join("\n")),
);
const globals = block(
  fc.constant("global_defs"),
  lines(
    [
      "lvs_timeouts tcp",
      "lvs_timeouts udp",
      "lvs_sync_daemon",
      "smtp_alert",
      "router_id",
      "vrrp_strict",
      "lvs_flush",
      "what",
    ],
    3,
  ),
);
const file = several([globals, group, fc.array(service, { minLength: 1, maxLength: 3 }).map((all) => all.join("\n"))]);

/** Lines taken out, doubled or cut. */
const damage = fc.array(fc.tuple(fc.nat(), fc.constantFrom("out", "twice", "cut")), { maxLength: 2 });
function damaged(text: string, blows: readonly (readonly [number, string])[]): string {
  const all = text.split("\n");
  for (const [at, blow] of blows) {
    const i = at % all.length;
    const old = all[i] ?? "";
    all.splice(i, 1, ...(blow === "out" ? [] : blow === "twice" ? [old, old] : [old.slice(0, old.length / 2)]));
  }
  return all.join("\n");
}

function holds(ran: ReturnType<typeof runKeepalived>): void {
  if (ran.text === undefined) assert.ok(ran.notes.some(({ kind }) => kind === "stopped"));
  else assert.deepEqual(errorsIn(ran.text), [], ran.text);
  for (const { place, message } of ran.notes) {
    assert.ok(place.line >= 1);
    assert.ok(message.length > 10, message);
  }
}

describe("whatever a file holds, what is written is a configuration, or why there is none is said", () => {
  test("keepalived.conf made of its words", () => {
    fc.assert(
      fc.property(file, fc.boolean(), (text, recommended) => holds(runKeepalived(text, { recommended }))),
      { numRuns: 120 },
    );
  });

  test("the same with lines lost, doubled and cut", () => {
    fc.assert(
      fc.property(file, damage, (text, blows) => holds(runKeepalived(damaged(text, blows)))),
      { numRuns: 80 },
    );
  });

  test("anything at all", () => {
    const junk = fc
      .array(
        fc.oneof(
          fc.constantFrom(
            "{",
            "}",
            "\n",
            " ",
            '"',
            "$A=",
            "$A",
            "$" + "{A}",
            "~SEQ(A,1,3)",
            "~LST(A,x,y)",
            "include x",
            "@id ",
            "@^id ",
            "\\\n",
            "virtual_server 1.2.3.4 80",
            "real_server 1.2.3.5 80",
            "#",
            "\0",
            "\r",
          ),
          fc.string(),
        ),
        { maxLength: 40 },
      )
      .map((all) => all.join(""));
    const includes = { x: { "x.conf": "include x\nretry 2" } };
    fc.assert(
      fc.property(junk, (text) => {
        holds(runKeepalived(text, { configId: "id", includes }));
        holds(runLdirectord(text));
      }),
      { numRuns: 250 },
    );
  });

  const LDIRECTORD = [
    "checktype",
    "service",
    "checkcommand",
    "checktimeout",
    "negotiatetimeout",
    "checkcount",
    "failurecount",
    "checkinterval",
    "checkport",
    "request",
    "receive",
    "httpmethod",
    "virtualhost",
    "login",
    "passwd",
    "scheduler",
    "persistent",
    "netmask",
    "protocol",
    "monitorfile",
    "ops",
    "fallback",
    "fallbackcommand",
    "quiescent",
    "emailalert",
    "cleanstop",
    "autoreload",
    "nonsense",
  ];
  const value = fc.oneof(
    word,
    fc.constantFrom(
      "negotiate",
      "connect",
      "external",
      "ping",
      "off",
      "on",
      "3",
      "http",
      "https",
      "dns",
      "simpletcp",
      "imaps",
      "smtp",
      "sip",
      "http_proxy",
      "yes",
      "no",
      '"x.html"',
      '"^ok"',
      '"a(?>b)"',
      '"/bin/check a"',
      '"http://10.9.9.9:81/x"',
      "HEAD",
      "fwm",
      "tcp",
      "udp",
    ),
  );
  const setting = fc.tuple(fc.constantFrom(...LDIRECTORD), value).map(([key, text]) => `${key} = ${text}`);
  const real = fc
    .tuple(
      address,
      fc.constantFrom("", ":80", ":http", ":0", "->10.0.0.4:80"),
      fc.constantFrom("gate", "masq", "ipip", "nat"),
      fc.constantFrom("", " 5", " 70000", ' 2 "a", "b"', ' "http://10.9.9.9/x", "y"'),
    )
    .map(([ip, port, method, rest]) => `real=${ip}${port} ${method}${rest}`);
  const virtual = fc
    .tuple(
      fc.constantFrom(
        "virtual=192.0.2.10:80",
        "virtual=192.0.2.10:53",
        "virtual=7",
        "virtual6=[2001:db8::5]:443",
        "virtual=host:80",
        "virtual=192.0.2.11:http",
      ),
      fc.array(fc.oneof({ weight: 2, arbitrary: setting }, real), { maxLength: 8 }),
    )
    .map(([head, all]) => [head, ...all.map((each) => `\t${each}`)].join("\n"));

  test("ldirectord.cf made of its words", () => {
    const whole = fc
      .tuple(fc.array(setting, { maxLength: 4 }), fc.array(virtual, { minLength: 1, maxLength: 4 }))
      .map((all) => all.flat().join("\n\n"));
    fc.assert(
      fc.property(whole, fc.boolean(), (text, recommended) => holds(runLdirectord(text, { recommended }))),
      { numRuns: 120 },
    );
  });
});
