import type { Notes } from "../notes.ts";
import { type Keyword, opens, readBlock, type ValueReader, words } from "./block.ts";
import type { Url } from "./model.ts";
import type { Draft } from "./read-common.ts";
import type { Statement } from "./tree.ts";
import { quotedWords } from "./words.ts";

/** `url { path … }` of HTTP_GET and SSL_GET. One without a path is left out, as keepalived does. */
export function urlKeyword(add: (url: Url) => void, read: ValueReader, notes: Notes): Keyword {
  return opens(0, 0, (statement) => {
    const url: Draft<Url> = {
      place: statement.place,
      path: "",
      status: [],
      digest: undefined,
      host: undefined,
      username: undefined,
      password: undefined,
      regex: undefined,
      regexOptions: [],
      regexNoMatch: false,
      regexOffsets: false,
    };
    const most = Number.POSITIVE_INFINITY;
    const offset = (s: Statement) => {
      if (read.count(s, 0, 4_294_967_295) !== undefined) url.regexOffsets = true;
    };
    readBlock(
      statement,
      {
        path: words(1, 1, (s) => {
          url.path = s.args[0]!;
        }),
        status_code: words(1, most, (s) => {
          url.status = s.args.flatMap((range) => statusRange(s, range, read, notes));
        }),
        digest: words(1, 1, (s) => {
          if (/^[0-9a-f]{32}$/i.test(s.args[0]!)) url.digest = { sum: s.args[0]!, place: s.place };
          else read.refuse(s, "is no MD5 sum of 32 digits; left out");
        }),
        virtualhost: words(1, 1, (s) => {
          url.host = s.args[0];
        }),
        username: words(1, 1, (s) => {
          url.username = s.args[0];
        }),
        password: words(1, 1, (s) => {
          url.password = s.args[0];
          notes.add(
            "hint",
            s.place,
            s.keyword,
            "stands in the new file as well (Authorization): chmod 0640, chgrp director",
          );
        }),
        regex: words(1, most, (s) => {
          url.regex = readRegex(s, read, notes) ?? url.regex;
        }),
        regex_no_match: words(0, 0, () => {
          url.regexNoMatch = true;
        }),
        regex_options: words(1, most, (s) => {
          url.regexOptions = s.args;
        }),
        regex_min_offset: words(1, 1, offset),
        regex_max_offset: words(1, 1, offset),
        regex_stack: words(2, 2, (s) => notes.add("hint", s.place, s.keyword, "not needed: there is no such limit")),
        tls_compliant: words(0, 1, (s) => notes.add("hint", s.place, s.keyword, "not needed")),
      },
      notes,
    );
    if (url.path === "") read.refuse({ ...statement, args: [] }, "has no path: keepalived leaves it out");
    else add(url);
  });
}

/** keepalived reads it as it reads a command: a backslash, also one within quotes, is its own unless there are two of them. */
function readRegex(s: Statement, read: ValueReader, notes: Notes): Url["regex"] {
  const [text, ...rest] = quotedWords(s.raw) ?? [];
  if (text === undefined) return read.refuse(s, "its quotes do not match");
  if (rest.length > 0)
    return read.refuse(s, "is more than one word: keepalived looks for none of it; write quotes around it");
  if (/\\[^\\]/.test(s.raw.replaceAll("\\\\", "")))
    notes.add(
      "hint",
      s.place,
      "regex",
      `keepalived takes a single backslash for itself, within quotes too, and looks for ${text}; two of them leave one to the regular expression`,
    );
  return { text, place: s.place };
}

/** keepalived takes 100 to 599; an answer below 200 is none that ends a request. */
function statusRange(s: Statement, text: string, read: ValueReader, notes: Notes): readonly string[] {
  const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2] ?? match?.[1]);
  if (match === null || from > to) {
    read.refuse(s, `${text} is no status from 100 to 599, nor a range of them; left out`);
    return [];
  }
  if (to < 200) {
    notes.add(
      "dropped",
      s.place,
      `status_code ${text}`,
      "an answer below 200 never ends a request, director waits for the one after it",
    );
    return [];
  }
  if (from < 200)
    notes.add("changed", s.place, `status_code ${text}`, "begins at 200: answers below it never end a request");
  return [from === to ? String(from) : `${Math.max(200, from)}-${to}`];
}
