import { z } from "zod";
import { ALL_EVENTS, EVENT_WORDS } from "../model/event-words.ts";
import { BODY_FIELD, BODY_FIELDS, type BodyTemplate } from "../model/hook.ts";
import { err, ok } from "../model/result.ts";
import { defaultText } from "./defaults.ts";
import { name } from "./field-scalars.ts";
import { absolutePath, bool, durationFrom, integer, REFUSED, scalar, text } from "./scalars.ts";
import { didYouMean } from "./suggest.ts";

const KINDS = Object.keys(EVENT_WORDS);
const namesOf = (kind: string): readonly string[] => {
  const words = EVENT_WORDS[kind];
  return words === undefined || words === "number" ? [] : words.map((word) => `${kind}.${word}`);
};

/** `all`, `drain`, `drain.*` (the same), `server.down`. */
export const eventSelector = scalar<string>({
  expected: "expected events such as server.down, service.quorum-lost, drain or all",
  read(source) {
    const [kind = "", word, ...rest] = source.split(".");
    if (source === ALL_EVENTS) return ok(source);
    const words = EVENT_WORDS[kind];
    if (words === undefined || rest.length > 0) return err(unknownEvent(source));
    if (word === undefined || word === "*") return ok(kind);
    if (words === "number")
      return /^\d+$/.test(word) ? ok(source) : err(`expected ${kind}, or ${kind}.0 for one weight`);
    if (words.includes(word)) return ok(source);
    if (words.length === 0) return err(`expected ${kind}: these events have no further word`);
    return err(`expected ${kind} or one of ${namesOf(kind).join(", ")}${didYouMean(source, namesOf(kind))}`);
  },
  write: String,
  json: { type: "string", pattern: `^(all|(${KINDS.join("|")})(\\.([a-z0-9-]+|\\*))?)$` },
});

function unknownEvent(source: string): string {
  const all = KINDS.flatMap((kind) => [kind, ...namesOf(kind)]);
  const words = `expected all, or a kind of event: ${KINDS.join(", ")}`;
  const bare = all.find((event) => event.endsWith(`.${source}`));
  return words + (bare === undefined ? didYouMean(source, [ALL_EVENTS, ...all]) : `, did you mean "${bare}"?`);
}

/** A password in a URL would stand in every message about it; a fragment is never sent. */
const webhookUrl = scalar<string>({
  expected: "expected an http or https URL",
  read(source) {
    const url = URL.canParse(source) ? new URL(source) : undefined;
    if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
      return err("expected a URL such as https://chat.example.com/hooks/abc");
    if (url.username !== "" || url.password !== "")
      return err("may not hold a user or password: use headers: { Authorization: ... }");
    return url.hash === "" ? ok(url.href) : err("may not have a fragment (#...): it would never be sent");
  },
  write: String,
  json: { type: "string", pattern: "^https?://" },
});

/** Headers that follow from the request itself. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "host",
  "connection",
  "keep-alive",
  "content-length",
  "content-type",
  "transfer-encoding",
  "expect",
  "upgrade",
]);

const headers = z.record(z.string(), text).superRefine((map, context) => {
  const problem = (key: string, message: string): void =>
    context.addIssue({ code: "custom", path: [key], message, input: map[key], params: REFUSED });
  for (const [key, value] of Object.entries(map)) {
    if (OWN_HEADERS.has(key.toLowerCase())) problem(key, "cannot be set: it follows from the request");
    else if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(key)) problem(key, "is not a header name");
    else if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) problem(key, "a header value is one line of Latin-1 text");
  }
});

/** Every text in it is looked through for fields; braces around anything but a word mean nothing. */
const body = z.custom<BodyTemplate>().superRefine((value, context) => {
  const problem = (path: (string | number)[], message: string): void =>
    context.addIssue({ code: "custom", path, message, input: value, params: REFUSED });
  const look = (node: unknown, path: (string | number)[]): void => {
    if (node === null) problem(path, "expected text, a list or a map");
    else if (typeof node === "string") {
      const unknown = Array.from(node.matchAll(BODY_FIELD), ([, field = ""]) => field).find((field) => !isField(field));
      if (unknown !== undefined)
        problem(path, `no field {${unknown}}; there are ${BODY_FIELDS.join(", ")}${didYouMean(unknown, BODY_FIELDS)}`);
    } else
      for (const [key, item] of Object.entries(node as object))
        look(item, [...path, Array.isArray(node) ? Number(key) : key]);
  };
  if (typeof value === "string" || Array.isArray(value) || value === null) problem([], "expected a map");
  else look(value, []);
});

function isField(word: string): boolean {
  return BODY_FIELDS.some((field) => field === word);
}

const argument = z
  .string({ error: "expected text" })
  .refine((value) => !value.includes("\0"), { error: "may not hold a zero byte", params: REFUSED })
  .meta({ type: ["string", "number", "boolean"] });

const SECOND = 1000;

export const hookSchema = z.strictObject({
  name: name.optional().describe("Default: the program's name, or the URL's host"),
  on: z.array(eventSelector).min(1, { error: "may not be empty" }).describe("Which events: server.down, drain, all"),
  services: z
    .array(name)
    .min(1, { error: "may not be empty: leave services out for all" })
    .optional()
    .describe("Only events of these services"),
  command: z
    .tuple([absolutePath], argument, { error: "expected a list: [/path/of/program, argument, ...]" })
    .optional()
    .describe("A program with its arguments, run without a shell; it gets the event as JSON on stdin"),
  url: webhookUrl.optional().describe("Instead of command: the event is POSTed there as JSON"),
  headers: headers.optional().describe("With url only: headers of the request, Authorization for example"),
  verify: bool.optional().describe("With url only. false: any certificate will do. Default: true"),
  ca: absolutePath.optional().describe("With url only: PEM file of the issuers to trust, instead of this machine's"),
  body: body
    .meta({ type: "object" })
    .optional()
    .describe('With url only: what is sent instead of the event, { text: "{hostname}: {message}" }'),
  timeout: durationFrom(100, 600 * SECOND)
    .prefault(defaultText("hook.timeout"))
    .describe("Of one run, 100ms to 10m; then it is killed with all it has started"),
  queue: integer(1, 100_000)
    .prefault(defaultText("hook.queue"))
    .describe("Events that wait at most; beyond that the oldest is dropped and counted"),
});

export type HookKeys = z.output<typeof hookSchema>;
