import { isDomainName } from "../domain.ts";
import type { Notes } from "../notes.ts";
import { type Keywords, opens, readBlock, words } from "./block.ts";
import { begin, type Reading } from "./checker-reading.ts";
import type { Checker } from "./model.ts";
import { noTimings } from "./read-common.ts";
import { readHttp } from "./read-http.ts";
import { readSmtp } from "./read-smtp.ts";
import type { Statement } from "./tree.ts";
import { command, whole } from "./words.ts";

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

function none({ place, keyword }: Statement, remedy: string): Checker {
  const nothing = { alpha: undefined, timings: noTimings(), address: undefined, port: undefined, source: undefined };
  return { kind: "none", place, keyword, remedy, ...nothing };
}

function readTcp(statement: Statement, { base, connection, notes }: Reading): Checker {
  readBlock(statement, connection, notes);
  return { kind: "tcp", ...base };
}

function readUdp(statement: Statement, { base, read, notes, connection }: Reading): Checker {
  let payload: string | undefined;
  let reply: string | undefined;
  let minLength = 0;
  let maxLength: number | undefined;
  const hex = (s: Statement, digit: RegExp): string | undefined => {
    const bytes = bytesOf(s.args, digit);
    if (bytes?.endsWith("ff"))
      notes.add(
        "changed",
        s.place,
        s.keyword,
        "bytes that end in ff are no bytes to keepalived (seen with 2.2.7): it complains, sends its own text and takes any reply; these are sent and expected",
      );
    return bytes ?? read.refuse(s, "expected bytes in hexadecimal digits, without 0x; left out");
  };
  const most = Number.POSITIVE_INFINITY;
  readBlock(
    statement,
    {
      ...connection,
      payload: words(1, most, (s) => {
        payload = hex(s, /^[0-9a-f]$/) ?? payload;
      }),
      require_reply: words(0, most, (s) => {
        reply = s.args.length === 0 ? "" : (hex(s, /^[0-9a-fx]$/) ?? "");
        if (/^0x/i.test(s.args[0] ?? ""))
          notes.add("hint", s.place, "require_reply", "keepalived takes 0x for a byte: 0, and any digit behind it");
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

/** Two digits are a byte, and so is one that is left over at the end of a word (read_hex_str of lib/parser.c). */
function bytesOf(words: readonly string[], digit: RegExp): string | undefined {
  const bytes = words.flatMap((word) => word.toLowerCase().match(/..?/g) ?? []).map((byte) => byte.padStart(2, "0"));
  const all = bytes.join("");
  return all !== "" && [...all].every((each) => digit.test(each)) ? all : undefined;
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
