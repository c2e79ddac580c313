import { httpHost, httpPath } from "../http.ts";
import type { Notes } from "../notes.ts";
import { javascriptRegex, noMatch } from "../regex.ts";
import { type Entries, list, map, type WrittenMap } from "../written.ts";
import type { Context } from "./context.ts";
import type { Aim } from "./map-checks.ts";
import type { Checker, Url } from "./model.ts";

type HttpChecker = Extract<Checker, { kind: "http" }>;

/** One check for each url. */
export function httpChecks(checker: HttpChecker, { service, server }: Aim, { once }: Context): readonly Entries[] {
  const { notes } = server;
  const { place, tls, urls } = checker;
  if (urls.length > 1)
    once("hint", place, "several urls", "keepalived asks for one of them every delay_loop, director for all of them");
  if (tls)
    once(
      "hint",
      place,
      "SSL_GET",
      "keepalived never looks at a certificate, so verify: false stands here; without that line an expired or wrong one is a failure",
    );
  return urls.map((url) => {
    const host = httpHost(url.host ?? checker.host ?? server.host ?? service.host, url.place, notes);
    const body = bodyOf(url, notes);
    // http_process_response and check_regex of check_http.c
    if (body !== undefined && url.regex !== undefined)
      once(
        "changed",
        url.regex.place,
        "regex",
        "keepalived looks for it in the header of the answer too, where ^ is its first line and offsets begin, and knows no end of it ($ without multiline never fits); director in the body",
      );
    const status = url.status.length === 0 ? undefined : list(url.status);
    return {
      type: tls ? "https" : "http",
      path: httpPath(url.path, url.place, notes),
      host,
      headers: authorization(url),
      ...(tls && tlsEntries(checker, url, host, service.host, notes)),
      expect: status === undefined && body === undefined ? undefined : map({ status, body }),
    };
  });
}

/** RFC 7617. */
function authorization({ username, password }: Url): WrittenMap | undefined {
  if (username === undefined) return undefined;
  return map({ Authorization: `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}` });
}

/** SNI is asked for with enable_sni or sni_name only, and looked for in another order than the Host header (check_ssl.c). */
function tlsEntries(
  checker: HttpChecker,
  url: Url,
  host: string | undefined,
  serviceHost: string | undefined,
  notes: Notes,
): Entries {
  const wanted = checker.sni ?? (checker.enableSni ? (url.host ?? checker.host ?? serviceHost) : undefined);
  const sni = httpHost(wanted, checker.place, notes);
  if (sni === undefined && host !== undefined)
    notes.add("hint", checker.place, "SNI", `keepalived sends none without enable_sni; director sends ${host}`);
  return { verify: "false", sni: sni === host ? undefined : sni };
}

/** The options that JavaScript has too; `u` is what a body is read as anyway. */
const OPTIONS: Readonly<Record<string, "i" | "m" | "s" | "">> = {
  caseless: "i",
  multiline: "m",
  dotall: "s",
  utf: "",
  ucp: "",
  no_utf_check: "",
  never_backslash_c: "",
  never_ucp: "",
  never_utf: "",
  no_auto_capture: "",
  no_auto_possess: "",
  no_dotstar_anchor: "",
  no_start_optimize: "",
};

function bodyOf(url: Url, notes: Notes): WrittenMap | undefined {
  const { digest, regex } = url;
  if (digest !== undefined)
    notes.add(
      "dropped",
      digest.place,
      `digest ${digest.sum}`,
      "a sum of the body is not looked at: `expect: { body: { contains: … } }` with a text that only the right page has",
    );
  if (regex === undefined) return undefined;
  const lost = (why: string): undefined => {
    notes.add("dropped", regex.place, `regex ${regex.text}`, `${why}; write it anew as expect: { body: { regex: … } }`);
    return undefined;
  };
  const odd = url.regexOptions.find((option) => !Object.hasOwn(OPTIONS, option));
  if (odd !== undefined) return lost(`the option ${odd} has no equal`);
  if (url.regexOffsets) return lost("offsets into the body have no equal");
  const flags = new Set(url.regexOptions.map((option) => OPTIONS[option]!).filter((flag) => flag !== ""));
  const converted = javascriptRegex(regex.text, flags);
  if (!converted.ok) return lost(converted.error);
  notes.add("hint", regex.place, "regex", "is looked for in the first 64 KiB of the body; max_body says how much");
  return map({ regex: url.regexNoMatch ? noMatch(converted.value) : converted.value });
}
