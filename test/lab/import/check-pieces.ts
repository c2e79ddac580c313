import { block, both, DELETED, type Piece, server, UNMOVED, virtualServers } from "./pieces.ts";

const piece = virtualServers(2000);
const unmoved = { pools: UNMOVED };
const udp = { protocol: "UDP" } as const;

const checked = (checker: string, lines: readonly string[], port?: string) => both(block(checker, ...lines), port);
const web = (checker: readonly string[], url: readonly string[], more = "") =>
  both(`${more}\n${block("HTTP_GET", ...checker, block("url", ...url))}`, "8080");
const tls = (checker: readonly string[], url: readonly string[]) =>
  both(block("SSL_GET", ...checker, block("url", ...url)), "443");
const command = (...lines: readonly string[]) => block("MISC_CHECK", ...lines);

/** director waits that long for the right reply where a wrong one has come. */
const UDP_PATIENCE = "connect_timeout 3";

const HTTP: readonly Piece[] = [
  piece("HTTP_GET without a status", "", web([], ["path /"])),
  piece("status_code", "", web([], ["path /moved", "status_code 204 300-302"])),
  piece(
    "several urls",
    "",
    both(
      block("HTTP_GET", "fast_recovery", "delay_loop 0.5", block("url", "path /one"), block("url", "path /two")),
      "8080",
    ),
  ),
  piece(
    "virtualhost of the check",
    "",
    web(["virtualhost www.example.test", "http_protocol 1.1", "nb_get_retry 2", "log_all_failures"], ["path /host"]),
  ),
  piece(
    "virtualhost of the url",
    "virtualhost no",
    web([], ["path /host", "virtualhost www.example.test"], "virtualhost no"),
  ),
  piece("virtualhost of the virtual server", "virtualhost www.example.test", web([], ["path /host"])),
  piece("virtualhost of the real server", "", web([], ["path /host"], "virtualhost www.example.test")),
  piece(
    "regex",
    "",
    web([], ["path /", 'regex "is\\\\s+(WELL|fine)$"', "regex_options caseless multiline", "regex_stack 1000 4000"]),
  ),
  piece(
    "regex in single quotes",
    "",
    web([], ["path /", "status_code 200-599", "regex 'all\\\\s(?:is|was)\\\\s+well'"]),
  ),
  piece("a regex that has lost its backslashes", "", web([], ["path /", 'regex "is\\s+well"']), {
    pools: ["", "", "", "", ""],
  }),
  piece("regex_no_match", "", web([], ["path /", "status_code 200-599", 'regex "BROKEN"', "regex_no_match"])),
  piece(
    "regex beyond an offset",
    "",
    web([], ["path /", "status_code 200-599", 'regex "well"', "regex_min_offset 4", "regex_max_offset 2000"]),
    {
      differs: { pools: UNMOVED, note: "dropped regex well", why: "not looked for: offsets have no equal" },
    },
  ),
  piece("a regex that fits the header", "", web([], ["path /", "status_code 200-599", 'regex "^HTTP/1[.]. "']), {
    pools: UNMOVED,
    differs: {
      pools: ["", "", "", "", ""],
      note: "changed regex",
      why: "keepalived looks for it in the header of the answer too, director in the body alone",
    },
  }),
  piece("a regex for the end of the body", "", web([], ["path /", "status_code 200-599", 'regex "well$"']), {
    pools: ["", "", "", "", ""],
    differs: {
      pools: DELETED,
      note: "changed regex",
      why: "to keepalived an answer has no end: `$` never fits unless lines end there (multiline)",
    },
  }),
  piece("a regex of Perl alone", "", web([], ["path /", "status_code 200-599", 'regex "is++ well"']), {
    differs: {
      pools: UNMOVED,
      note: "dropped regex is++ well",
      why: "not looked for: possessive quantifiers are Perl's, like other words that JavaScript has not",
    },
  }),
  // The sum of "all is well\n".
  piece("digest", "", web([], ["path /", "status_code 200-599", "digest 2670f929ce8c93af815ba0ae8fd591ff"]), {
    differs: {
      pools: UNMOVED,
      note: "dropped digest",
      why: "not looked at: director makes no MD5 sums of pages; `expect: { body: { contains: … } }`",
    },
  }),
  piece("a status on the line of its path", "", both("HTTP_GET {\nurl { path /moved status_code 301 }\n}", "8080"), {
    pools: ["", "", "", "", ""],
  }),
  piece("a comment within a path", "", web([], ["path /well#not"])),
  piece("a check without a url", "", both("HTTP_GET {\n}", "8080"), unmoved),
  piece("SSL_GET", "", tls(["delay_loop 2"], ["path /"])),
  piece(
    "enable_sni",
    "",
    tls(
      ["delay_loop 2", "enable_sni", "virtualhost www.example.test", "sni_name www.example.test", "tls_compliant"],
      ["path /sni", "tls_compliant"],
    ),
  ),
];

const OTHERS: readonly Piece[] = [
  piece(
    "DNS_CHECK",
    "",
    checked("DNS_CHECK", ["type A", "name www.example.test", "retry 1", "delay_before_retry 0.3"], "53"),
    udp,
  ),
  piece("DNS_CHECK of the root", "retry 1", checked("DNS_CHECK", [], "53"), udp),
  piece("UDP_CHECK, any reply or none", "", checked("UDP_CHECK", ["payload 00", "connect_timeout 2"], "5001"), udp),
  piece("UDP_CHECK with its own text", "", checked("UDP_CHECK", ["require_reply"], "5001"), udp),
  piece(
    "UDP_CHECK, how the reply begins",
    "",
    checked(
      "UDP_CHECK",
      ["payload 1 204", "require_reply 0 x1", "min_reply_length 2", "max_reply_length 8", UDP_PATIENCE],
      "5000",
    ),
    udp,
  ),
  piece(
    "UDP_CHECK, all of the reply",
    "",
    checked("UDP_CHECK", ["payload 0102", "require_reply 00f1", UDP_PATIENCE], "5000"),
    udp,
  ),
  piece(
    "UDP_CHECK, bytes that end in ff",
    "",
    checked("UDP_CHECK", ["payload 0103", "require_reply 00ff", UDP_PATIENCE], "5000"),
    {
      ...udp,
      pools: UNMOVED,
      differs: {
        pools: DELETED,
        note: "changed require_reply",
        why: "keepalived 2.2.7 takes bytes that end in ff for none, and any reply for the right one",
      },
    },
  ),
  piece("SMTP_CHECK", "", checked("SMTP_CHECK", ["helo_name lb.example.test"], "25")),
  piece(
    "MISC_CHECK",
    "",
    both(
      command(
        'misc_path "/usr/bin/test ! -e /run/lab/dead-LETTER"',
        "misc_timeout 20",
        "user root",
        "warmup 0",
        "delay_loop 2",
      ),
    ),
  ),
  piece(
    "misc_dynamic",
    "lb_algo wrr",
    both(
      `weight 10\n${command('misc_path "/run/lab/weight LETTER"', "misc_dynamic", "misc_timeout 20", "delay_loop 2")}`,
    ),
    {
      pools: ["a20 b20", "b20", "", "a20", "a20 b20"],
    },
  ),
  piece(
    "a command found by PATH",
    "",
    both(command('misc_path "test ! -e /run/lab/dead-LETTER"', "misc_timeout 20", "delay_loop 2")),
    {
      differs: { pools: UNMOVED, note: "dropped test", why: "not run: a command needs its absolute path" },
    },
  ),
  piece(
    "two checks, which both must pass",
    "",
    both(`${block("TCP_CHECK", "connect_port 5999")}\nHTTP_GET {\nurl {\npath /\n}\n}`, "8080"),
    { pools: ["", "", "", "", ""] },
  ),
  piece(
    "another machine is asked",
    "",
    `${server("a", block("TCP_CHECK", "connect_ip 10.9.2.2", "connect_port 80"), "9999")}\n${server("b", "TCP_CHECK { }")}`,
    {
      pools: ["a1 b1", "a1 b1", "", "", "a1 b1"],
    },
  ),
  piece("bindto", "", web(["bindto 10.6.0.1"], ["path /bound"])),
  piece(
    "bind_if, bind_port and fwmark",
    "",
    checked("UDP_CHECK", ["bind_if lab0", "bind_port 40000", "fwmark 5", "require_reply"], "5001"),
    udp,
  ),
  piece("alpha of a check", "", both(block("TCP_CHECK", "alpha", "log_all_failures"))),
  piece("PING_CHECK", "", checked("PING_CHECK", ["connect_timeout 2"]), {
    differs: { pools: UNMOVED, note: "dropped PING_CHECK", why: "not asked: director sends no ICMP" },
  }),
  piece("FILE_CHECK", "lb_algo wrr", both(`weight 10\n${block("FILE_CHECK", "track_file file-LETTER", "weight 1")}`), {
    above: ["a", "b"]
      .map((letter) => block(`track_file file-${letter}`, `file "/run/lab/file-${letter}"`, "weight 1"))
      .join("\n"),
    pools: ["a11 b11", "a10 b11", "a10 b10", "a11 b10", "a11 b11"],
    differs: {
      pools: ["a10 b10", "a10 b10", "a10 b10", "a10 b10", "a10 b10"],
      note: "dropped FILE_CHECK",
      why: "not looked at: servers are weighted by `director weight` and taken out by `director disable`",
    },
  }),
  piece("BFD_CHECK", "", both(block("BFD_CHECK", "name bfd-LETTER")), {
    above: ["a", "b"]
      .map((letter) => block(`bfd_instance bfd-${letter}`, `neighbor_ip 10.9.${letter === "a" ? 1 : 2}.2`))
      .join("\n"),
    pools: ["", "", "", "", ""],
    differs: { pools: UNMOVED, note: "dropped BFD_CHECK", why: "not asked: director speaks no BFD" },
  }),
];

export const CHECK_PIECES: readonly Piece[] = [...HTTP, ...OTHERS];
