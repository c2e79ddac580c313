import { hookSchema } from "../../src/config/hook-keys.ts";
import { fileSchema } from "../../src/config/schema.ts";
import { checkSchema, defaultsSchema, poolSchema, serverSchema, serviceSchema } from "../../src/config/service-keys.ts";
import { EVENT_WORDS } from "../../src/model/event-words.ts";
import { probeTypes } from "../../src/probe/registry.ts";
import { TLS_KEYS } from "../../src/probe/tls-options.ts";
import { EXAMPLES } from "./examples.ts";
import { type Key, keysOf } from "./keys.ts";
import { bold, heading, listing, page, paragraph, prose, subheading, tagged, terms } from "./roff.ts";

/** director.conf(5): every key as the schema has it, and what holds for all of them. */
export function configPage(version: string): string {
  return page("director.conf", 5, version, [
    ...heading("NAME"),
    "director.conf \\- configuration of director, the health\\-checking director for Linux IPVS",
    ...heading("SYNOPSIS"),
    bold("/etc/director/director.conf"),
    ...description(),
    ...heading("THE FILE"),
    ...topLevel(),
    ...heading("INHERITANCE"),
    ...inheritance(),
    ...heading("SERVICES"),
    ...services(),
    ...heading("SERVERS"),
    ...paragraph(
      "Real servers, in `servers` of a service or a pool. All of these but `name`, `address` and `labels` may stand in the service, its pool and `defaults` too, for servers that say nothing themselves.",
    ),
    ...entries(SERVER),
    ...heading("CHECKS"),
    ...checks(),
    ...heading("HOOKS"),
    ...hooks(),
    ...heading("EXAMPLES"),
    ...EXAMPLES.flatMap(({ title, text }) => [...paragraph(`${title}:`), ...listing(text)]),
    ...files(),
  ]);
}

const SERVER = keysOf(serverSchema, ["server"]);
const OWN_TO_SERVERS = ["name", "address", "labels"];
const FOR_SERVERS = SERVER.filter(({ path }) => !OWN_TO_SERVERS.includes(path)).map(({ path }) => path);

function description(): readonly string[] {
  return [
    ...heading("DESCRIPTION"),
    ...paragraph(
      "One YAML 1.2 file that says which virtual services director keeps in the kernel's IPVS table, which real servers stand behind them, and how it tells that one works.",
      "`director config test` finds every problem at once, as FILE:LINE:COLUMN: PATH: MESSAGE; `director config show --effective` prints the file with every key filled in; `director config schema` is the same as this page as a JSON Schema, for editors.",
    ),
    ...paragraph(
      "A change is put into force by `systemctl reload director` or `director reload`; `director plan` shows beforehand what it would do. A file with problems changes nothing: the running configuration stays, and a start ends with exit code 78.",
    ),
    ...terms([
      [
        "Scalars",
        "are read as their source text and typed by their key: `mode: 0660`, `name: 1` and `hex: 00001e10` mean what they look like. `true` and `false` are the only booleans.",
      ],
      ["Unknown keys", "are errors, and so is a key given twice."],
      ["Durations", "carry their unit: `500ms`, `2s`, `1m30s`, `1h`. A bare number is refused."],
      [
        "Addresses",
        "are literal IPv4 or IPv6 addresses; names are not resolved. `010.0.0.1` and `10.1` are refused. An IPv6 address with a port stands in brackets.",
      ],
      ["Anchors and aliases", "are resolved; `<<` is refused: pools and defaults are for that."],
      [
        "Empty lists",
        "`services` and `servers` may not be empty without `allow_empty: true`: a template that rendered nothing is not an order.",
      ],
    ]),
  ];
}

/** Keys by the name of the section they stand below, those without one first. */
function topLevel(): readonly string[] {
  const keys = keysOf(fileSchema, [""]);
  const sections = keys.filter(({ path }) => !path.includes(".") && keys.some((k) => k.path.startsWith(`${path}.`)));
  const single = keys.filter(({ path }) => !path.includes(".") && !sections.some((section) => section.path === path));
  return [
    ...entries(single),
    ...paragraph(
      "Files named by `include` hold `pools`, `services` and `allow_empty` only; the same name twice is an error.",
    ),
    ...sections.flatMap((section) => [
      ...subheading(section.path),
      prose(sentence(section.description)),
      ...entries(keys.filter(({ path }) => path.startsWith(`${section.path}.`))),
    ]),
  ];
}

function inheritance(): readonly string[] {
  const names = (schema: typeof poolSchema | typeof defaultsSchema | typeof serviceSchema) =>
    keysOf(schema, ["service", "server"])
      .map(({ path }) => path)
      .filter((path) => !path.includes("."));
  const pool = names(poolSchema);
  const defaults = names(defaultsSchema);
  return [
    ...paragraph(
      "Most keys may be said once for many. What is nearest counts: a server, then its service, then the service's pool, then `defaults`. Maps merge key by key; lists and scalars replace.",
    ),
    ...terms([
      ["defaults", `may hold ${list(defaults)}.`],
      ["pools", `are maps by name. Each may hold ${list(pool)}. A service takes one by \`pool\`.`],
      ["services", "and their servers may hold what SERVICES and SERVERS below list."],
      [
        "checks",
        "inherit `interval`, `timeout`, `fall`, `rise`, `fast_interval`, `down_interval` and `source` whatever their type; the other keys only from a check of the same type. A udp service never inherits a tcp, http, https, smtp or grpc check, a tcp service never a udp or dns check. `check: none` and `checks` end what was inherited.",
      ],
      ["none", "turns off what was inherited, for `persistence`, `sorry_server`, `slow_start`, `flap` and `check`."],
    ]),
  ];
}

function services(): readonly string[] {
  const keys = keysOf(serviceSchema, ["service", "server"]);
  const own = keys.filter(({ path }) => path === "name" || !SERVER.some((key) => key.path === path));
  return [
    ...paragraph(
      "One of `vip`, `vips` and `fwmark` is needed, and servers: its own or those of a pool.",
      `A service may also hold, for its servers, ${list(FOR_SERVERS.filter((path) => !path.includes(".")))}: see SERVERS.`,
    ),
    ...entries(own),
  ];
}

function checks(): readonly string[] {
  const isTls = ({ path }: Key) => TLS_KEYS.some((key) => key === path);
  const types = [...probeTypes].map(([name, type]) => ({ name, keys: keysOf(type.options, []) }));
  const tls = types.find(({ keys }) => TLS_KEYS.every((key) => keys.some(({ path }) => path === key)))!;
  const http = types.find(({ name }) => name === "http")!.keys;
  return [
    ...paragraph(
      "`check` is one map, `checks` a list of them, of which all must pass. A probe passes, fails with a reason, or is inconclusive (director itself could not ask), which counts neither way.",
    ),
    ...entries(
      keysOf(checkSchema, ["check"]).map((key) =>
        key.path === "type" ? { ...key, form: list([...probeTypes.keys()], "or") } : key,
      ),
    ),
    ...types.flatMap(({ name, keys }) => {
      const known = name === "https" ? new Set(http.map(({ path }) => path)) : new Set<string>();
      const own = keys.filter((key) => !isTls(key) && !known.has(key.path));
      const also = [
        ...(known.size > 0 ? ["all keys of http checks"] : []),
        ...(keys.some(isTls) ? ["the keys of TLS, see below"] : []),
      ];
      return [
        ...subheading(`Checks of type ${name}`),
        prose(SAYS[name] ?? ""),
        ...(also.length > 0 ? paragraph(`They also have ${also.join(" and ")}.`) : []),
        ...entries(own),
      ].filter((line) => line !== "");
    }),
    ...subheading("Keys of TLS"),
    prose("Of https checks, and of others where TLS is asked for by `tls: true` or `starttls: true`."),
    ...entries(tls.keys.filter(isTls)),
  ];
}

/** What a check of each type does. */
const SAYS: Readonly<Record<string, string>> = {
  tcp: "Connects, and passes when the connection stands; with `tls` it also shakes hands, with `send` and `expect` it also talks.",
  http: "One request on a connection of its own; redirects are not followed.",
  https: "The same over TLS; the certificate is verified unless told otherwise.",
  udp: "Sends a datagram, three times within the timeout, and waits for an answer. An ICMP refusal is a failure.",
  dns: "One query, as resolvers ask.",
  smtp: "Greeting, EHLO, QUIT.",
  grpc: "grpc.health.v1.Health/Check.",
  exec: "Runs a program without a shell and without director's capabilities: exit code 0 passes, everything else fails. It finds `DIRECTOR_ADDRESS`, `DIRECTOR_PORT` and `DIRECTOR_CHECK_TIMEOUT_MS` in its environment.",
  agent:
    "Reads one line from an agent on the server, such as `75%`, `drain`, `maint`, `down` or `up`, that says the weight it wants. It takes nothing down by being away; `port` is required.",
};

function hooks(): readonly string[] {
  return [
    ...paragraph(
      "Scripts and webhooks that are told of events, one at a time and in order, without director's capabilities. Either `command` or `url` is needed. Events are named by kind, or by kind and word:",
    ),
    ...terms(
      Object.entries(EVENT_WORDS).map(([kind, words]) => [
        kind,
        words === "number"
          ? `\`${kind}.0\` and so on, the weight.`
          : words.length === 0
            ? "has no further word."
            : `${list(words.map((word) => `${kind}.${word}`))}.`,
      ]),
    ),
    ...entries(keysOf(hookSchema, ["hook"])),
  ];
}

function files(): readonly string[] {
  return [
    ...heading("FILES"),
    ...terms([
      [
        "/etc/director/director.conf",
        "The configuration; readable for the user `director`, and mode 0640 where it holds secrets.",
      ],
      ["/etc/director/conf.d/*.yaml", "A usual place for files that `include` names."],
      ["/var/lib/director", "What was commanded (intent), and the last events: `state.directory`."],
    ]),
    ...heading("SEE ALSO"),
    `${bold("director")}(1), ${bold("ipvsadm")}(8), ${bold("systemctl")}(1)`,
  ];
}

function entries(keys: readonly Key[]): readonly string[] {
  return keys.flatMap(({ path, form, required, value, reason, description }) => {
    const fallback = value === undefined ? "" : ` Default: \`${value}\`${reason === undefined ? "" : ` (${reason})`}.`;
    return tagged(bold(path), [
      prose(sentence(description)),
      ".br",
      prose(`Form: ${form}.${required ? " Required." : ""}${fallback}`),
    ]);
  });
}

function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  // What begins with a value that is explained stays as it is written.
  return `${/^[a-z-]+:|^[a-z]+ only/.test(text) ? text : whole}${/[.!?]$/.test(text) ? "" : "."}`;
}

function list(words: readonly string[], link = "and"): string {
  const shown = words.map((word) => `\`${word}\``);
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} ${link} ${shown.at(-1)}`;
}
