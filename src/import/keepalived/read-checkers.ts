import { parseAddress } from "../../model/address.ts";
import { isDomainName } from "../domain.ts";
import type { Notes } from "../notes.ts";
import { type Keywords, opens, readBlock, type ValueReader, valueReader, words } from "./block.ts";
import type { Checker, CheckerBase } from "./model.ts";
import { type Draft, noTimings, readAddress, timingKeywords } from "./read-common.ts";
import { urlKeyword } from "./read-url.ts";
import type { Statement } from "./tree.ts";
import { command, whole } from "./words.ts";

interface Reading {
  readonly base: Draft<CheckerBase>;
  readonly read: ValueReader;
  readonly notes: Notes;
  /** The words of all checkers that connect. */
  readonly connection: Keywords;
  /** Those of all checkers. */
  readonly common: Keywords;
}

/** The checkers of a real server. A checker that director has no equal of stays in the list as `none`, so that it is known to have been there. */
export function checkerKeywords(add: (checker: Checker) => void, notes: Notes): Keywords {
  const checker = (read: (statement: Statement, reading: Reading) => Checker | readonly Checker[] | undefined) =>
    opens(0, 0, (statement) => {
      for (const found of [read(statement, begin(statement, notes)) ?? []].flat()) add(found);
    });
  return {
    TCP_CHECK: checker(readTcp),
    HTTP_GET: checker((statement, reading) => readHttp(statement, reading, false)),
    SSL_GET: checker((statement, reading) => readHttp(statement, reading, true)),
    UDP_CHECK: checker(readUdp),
    DNS_CHECK: checker(readDns),
    SMTP_CHECK: checker(readSmtp),
    MISC_CHECK: checker(readMisc),
    PING_CHECK: checker((s) =>
      none(s, "director sends no ICMP: a tcp check of a port that answers, or an exec check that runs ping"),
    ),
    FILE_CHECK: checker((s) =>
      none(
        s,
        "servers are taken out by `director disable` and weighted by `director weight`, both survive restarts; or an exec check that reads the file",
      ),
    ),
    BFD_CHECK: checker((s) =>
      none(s, "director speaks no BFD: a tcp check with a short interval, or an exec check that asks the BFD daemon"),
    ),
  };
}

function begin({ keyword, place }: Statement, notes: Notes): Reading {
  const base: Draft<CheckerBase> = {
    place,
    keyword,
    alpha: undefined,
    timings: noTimings(),
    address: undefined,
    port: undefined,
    source: undefined,
  };
  const read = valueReader(notes);
  const dropped = (why: string) => (s: Statement) =>
    notes.add("dropped", s.place, [s.keyword, ...s.args].join(" "), why);
  const common: Keywords = {
    ...timingKeywords(base.timings, read, 0, notes),
    alpha: words(0, 1, (s) => {
      base.alpha = read.flag(s);
    }),
    log_all_failures: words(0, 1, (s) =>
      notes.add("hint", s.place, s.keyword, "log: { level: debug } shows every probe that fails"),
    ),
  };
  const connection: Keywords = {
    ...common,
    connect_ip: words(1, 1, (s) => {
      base.address = readAddress(s, read);
    }),
    connect_port: words(1, 1, (s) => {
      base.port = read.count(s, 1, 65_535);
    }),
    bindto: words(1, 1, (s) => {
      base.source = readAddress(s, read);
    }),
    bind_port: words(1, 1, dropped("the kernel chooses the port a probe comes from")),
    bind_if: words(
      1,
      1,
      dropped("probes leave by the routing table: `source` sets their address, a routing rule for it the interface"),
    ),
    fwmark: words(
      1,
      1,
      dropped("probes carry no mark: `source` with a routing rule for that address does what it was for"),
    ),
  };
  return { base, read, notes, common, connection };
}

function none({ place, keyword }: Statement, remedy: string): Checker {
  const nothing = { alpha: undefined, timings: noTimings(), address: undefined, port: undefined, source: undefined };
  return { kind: "none", place, keyword, remedy, ...nothing };
}

function readTcp(statement: Statement, { base, connection, notes }: Reading): Checker {
  readBlock(statement, connection, notes);
  return { kind: "tcp", ...base };
}

function readHttp(statement: Statement, { base, read, notes, connection }: Reading, tls: boolean): Checker | undefined {
  const http: Draft<Extract<Checker, { kind: "http" }>> & {
    urls: Extract<Checker, { kind: "http" }>["urls"][number][];
  } = {
    kind: "http",
    ...base,
    tls,
    host: undefined,
    enableSni: false,
    sni: undefined,
    urls: [],
  };
  const ignored = (s: Statement) =>
    notes.add(
      "hint",
      s.place,
      [s.keyword, ...s.args].join(" "),
      "not needed: probes speak HTTP/1.1 and every one of them asks for all",
    );
  const onlyTls = (s: Statement) => tls || read.refuse(s, "of SSL_GET only; left out");
  readBlock(
    statement,
    {
      ...connection,
      virtualhost: words(1, 1, (s) => {
        http.host = s.args[0];
      }),
      http_protocol: words(1, 1, ignored),
      fast_recovery: words(0, 1, ignored),
      tls_compliant: words(0, 1, ignored),
      nb_get_retry: connection.retry!,
      enable_sni: words(0, 1, (s) => {
        if (onlyTls(s)) http.enableSni = read.flag(s) ?? false;
      }),
      sni_name: words(1, 1, (s) => {
        if (onlyTls(s)) http.sni = s.args[0];
      }),
      url: urlKeyword((url) => http.urls.push(url), read, notes),
    },
    notes,
  );
  if (http.urls.length === 0)
    read.refuse(
      { ...statement, args: [] },
      "has no url with a path: keepalived leaves the whole check out, so nothing checks the server by it",
    );
  return http.urls.length === 0 ? undefined : { ...http, ...base };
}

function readUdp(statement: Statement, { base, read, notes, connection }: Reading): Checker {
  let payload: string | undefined;
  let reply: string | undefined;
  let minLength = 0;
  let maxLength: number | undefined;
  const hex = (s: Statement, pattern: RegExp): string | undefined => {
    const digits = s.args.join("").replace(/^0x/i, "");
    const right = pattern.test(digits) && digits.length % 2 === 0;
    return right ? digits.toLowerCase() : read.refuse(s, "expected bytes in hexadecimal digits; left out");
  };
  const most = Number.POSITIVE_INFINITY;
  readBlock(
    statement,
    {
      ...connection,
      payload: words(1, most, (s) => {
        payload = hex(s, /^[0-9a-f]+$/i) ?? payload;
      }),
      require_reply: words(0, most, (s) => {
        reply = s.args.length === 0 ? "" : (hex(s, /^[0-9a-fx]+$/i) ?? "");
      }),
      min_reply_length: words(1, 1, (s) => {
        minLength = read.count(s, 0, 65_535) ?? minLength;
      }),
      max_reply_length: words(1, 1, (s) => {
        maxLength = read.count(s, 0, 65_535) ?? maxLength;
      }),
    },
    notes,
  );
  return { kind: "udp", ...base, payload, reply, minLength, maxLength };
}

const DNS_TYPES = ["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"];

function readDns(statement: Statement, { base, read, notes, connection }: Reading): Checker {
  let query = "SOA";
  let name = ".";
  readBlock(
    statement,
    {
      ...connection,
      type: words(1, 1, (s) => {
        const type = s.args[0]!.toUpperCase();
        if (DNS_TYPES.includes(type)) query = type;
        else read.refuse(s, "keepalived does not know this type and asks for SOA; so does this import");
      }),
      name: words(1, 1, (s) => {
        if (isDomainName(s.args[0]!)) name = s.args[0]!;
        else read.refuse(s, "is no domain name; left out, so the root is asked for");
      }),
    },
    notes,
  );
  return { kind: "dns", ...base, query, name };
}

/** A host name, or an address literal (RFC 5321 4.1.2). */
const HELO = /^(?=.{1,255}$)(?:[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)$/i;

/** A host block, which is an old form, is a check of its own; with one, the checker is nothing besides them. */
function readSmtp(statement: Statement, { base, read, notes, connection }: Reading): readonly Checker[] {
  let helo = "smtpchecker.keepalived.org";
  const hosts: Statement[] = [];
  readBlock(
    statement,
    {
      ...connection,
      helo_name: words(1, 1, (s) => {
        const bare = parseAddress(s.args[0]!);
        if (bare !== undefined) helo = `[${bare.family === 6 ? "IPv6:" : ""}${s.args[0]}]`;
        else if (HELO.test(s.args[0]!)) helo = s.args[0]!;
        else read.refuse(s, "is no host name; left out");
      }),
      host: opens(0, 0, (s) => hosts.push(s)),
    },
    notes,
  );
  if (hosts.length === 0) return [{ kind: "smtp", ...base, helo }];
  return hosts.map((host) => {
    const own = begin(host, notes);
    readBlock(host, own.connection, notes);
    const { address, port, source, place } = own.base;
    const where = { address: address ?? base.address, port: port ?? base.port, source: source ?? base.source };
    return { kind: "smtp", ...base, ...where, place, helo };
  });
}

function readMisc(statement: Statement, { base, read, notes, common }: Reading): Checker | undefined {
  let argv: readonly string[] | undefined;
  let timeout: number | undefined;
  let dynamic = false;
  const most = Number.POSITIVE_INFINITY;
  readBlock(
    statement,
    {
      ...common,
      misc_path: words(1, most, (s) => {
        const parsed = command(s.raw);
        argv = parsed?.argv ?? read.refuse(s, "expected a command; its quotes do not match");
        if (parsed !== undefined && parsed.user.length > 0)
          read.refuse(s, `keepalived reads one quoted command, and takes no note of ${parsed.user.join(" ")}`);
      }),
      misc_timeout: words(1, 1, (s) => {
        const seconds = whole(s.args[0], 1, 4294);
        if (seconds === undefined) read.refuse(s, "expected whole seconds; left out");
        else timeout = seconds * 1000;
      }),
      misc_dynamic: words(0, 0, () => {
        dynamic = true;
      }),
      user: words(1, 2, (s) =>
        notes.add(
          "changed",
          s.place,
          `user ${s.args.join(" ")}`,
          "the command runs as director's own user, which is the unit's User=",
        ),
      ),
    },
    notes,
  );
  if (argv === undefined) read.refuse({ ...statement, args: [] }, "has no misc_path: keepalived leaves the check out");
  return argv === undefined ? undefined : { kind: "misc", ...base, argv, timeout, dynamic };
}
