import type { IpAddress } from "../../model/address.ts";
import { isDomainName } from "../domain.ts";
import { httpHost, httpPath } from "../http.ts";
import { type Pace, paceEntries } from "../pace.ts";
import { javascriptRegex } from "../regex.ts";
import { type Entries, flow, list, map, sameText, type WrittenMap } from "../written.ts";
import { type Globals, PORT_OF_SERVICE, type Real, type Virtual } from "./model.ts";
import { readHost, readPort } from "./values.ts";

/** A real server as its check sees it. */
interface Aim {
  readonly virtual: Virtual;
  readonly real: Real;
  readonly globals: Globals;
  readonly recommended: boolean;
}

/** What is asked, or why that cannot be. */
type Asked = { readonly ok: true; readonly entries: Entries } | { readonly ok: false; readonly why: string };

const asks = (entries: Entries): Asked => ({ ok: true, entries });
const cannot = (why: string): Asked => ({ ok: false, why });

/** The checks of one real server; none: it counts as up.
 *  @param understood the port director takes without being told */
export function realChecks(aim: Aim, understood: number | undefined): readonly WrittenMap[] {
  const asked = new Map<string, WrittenMap>();
  for (const { what, check } of allChecks(aim, understood)) if (!asked.has(what)) asked.set(what, check);
  return [...asked.values()];
}

/** A check, and what it asks whatever its pace. */
interface Found {
  readonly what: string;
  readonly check: WrittenMap;
}

function allChecks(aim: Aim, understood: number | undefined): readonly Found[] {
  const { virtual, real } = aim;
  const { checkType, place, notes } = virtual;
  const port =
    virtual.checkPort ??
    real.port ??
    PORT_OF_SERVICE.get(virtual.service) ??
    (virtual.at.kind === "address" ? virtual.at.port : undefined);
  const where = (entries: Entries, own = port): Entries => ({
    ...entries,
    ...(entries.port === undefined && { port: own === undefined || own === understood ? undefined : String(own) }),
  });
  const done = (asked: Asked, pace: Pace, subject: string): readonly Found[] => {
    const aimless = asked.ok && asked.entries.port === undefined && understood === undefined;
    const settled = aimless ? cannot("no port is said that could be probed: write checkport") : asked;
    if (settled.ok) {
      const check = map({ ...settled.entries, ...paceEntries(pace, place, subject, notes) });
      return [{ what: sameText(map(settled.entries)), check }];
    }
    const end = "nothing checks these servers until that is mended, they count as up";
    notes.add("changed", place, subject, `${settled.why}; ${end}`);
    return [];
  };
  switch (checkType.kind) {
    case "on":
      return [];
    case "off":
      notes.add(
        "changed",
        place,
        "checktype = off",
        "ldirectord gives none of these servers weight, so theirs is 0 here",
      );
      return [];
    case "ping":
      return done(
        cannot("director sends no ICMP: a tcp check of a port that answers, or an exec check that runs ping"),
        paceOf(aim, "check", 1),
        "checktype = ping",
      );
    case "external":
    case "external-perl":
      return done(external(aim, where), paceOf(aim, "check", 1), `checktype = ${checkType.kind}`);
    case "connect":
      return done(connect(virtual, where), paceOf(aim, "check", 1), "checktype = connect");
    case "negotiate":
      return virtual.service === "none"
        ? []
        : done(negotiate(aim, where), paceOf(aim, "negotiate", 1), `service = ${virtual.service}`);
    case "combined": {
      notes.add(
        "changed",
        place,
        `checktype = ${checkType.connects}`,
        "both checks run by themselves, each in its own interval, and both must pass",
      );
      const full =
        virtual.service === "none"
          ? []
          : done(
              negotiate(aim, where),
              paceOf(aim, "negotiate", checkType.connects + 1),
              `service = ${virtual.service}`,
            );
      return [...done(connect(virtual, where), paceOf(aim, "check", 1), "checktype = connect"), ...full];
    }
  }
}

type Where = (entries: Entries, port?: number) => Entries;

function connect({ protocol }: Virtual, where: Where): Asked {
  if (protocol === "udp")
    return cannot(
      "ldirectord pings the servers of a udp service, and director sends no ICMP: a dns or udp check asks the service itself",
    );
  return asks(where({ type: "tcp" }));
}

/** checkcommand with the four arguments it gets. */
function external({ virtual, real }: Aim, where: Where): Asked {
  const { checkCommand, at } = virtual;
  if (!checkCommand.startsWith("/") || checkCommand.includes("\0"))
    return cannot(`${checkCommand} is no absolute path`);
  const service = at.kind === "address" ? [shown(at.address), String(at.port)] : [String(at.mark), "0"];
  const command = [checkCommand, ...service, shown(real.address), String(real.port ?? 0)];
  // director knows every check by an endpoint, whether or not a command looks at it.
  const located = where({ type: "exec", command: list(command) });
  return asks(
    located.port === undefined && at.kind === "fwmark" ? { ...located, port: String(real.port ?? 1) } : located,
  );
}

function shown(address: IpAddress): string {
  return address.family === 6 ? `[${address.text}]` : address.text;
}

/** checktimeout and negotiatetimeout stand in for each other where one is not said (ld_setup). */
function paceOf({ virtual, globals, recommended }: Aim, kind: "check" | "negotiate", rounds: number): Pace {
  const order =
    kind === "check"
      ? [virtual.checkTimeout, virtual.negotiateTimeout, globals.checkTimeout, globals.negotiateTimeout, 5_000]
      : [virtual.negotiateTimeout, virtual.checkTimeout, globals.negotiateTimeout, globals.checkTimeout, 30_000];
  const every = (virtual.checkInterval ?? globals.checkInterval) * rounds;
  return {
    interval: every,
    timeout: order.find((timeout) => timeout !== undefined) ?? 5_000,
    fall: virtual.failureCount ?? globals.failureCount ?? 1,
    rise: recommended ? undefined : 1,
    fastInterval: every,
    downInterval: every,
  };
}

const TLS: Entries = { tls: "true", verify: "false" };

/** The full check of a service. Where director does not speak the protocol it looks at the greeting, which says less. */
function negotiate(aim: Aim, where: Where): Asked {
  const { virtual } = aim;
  const { service, notes, place, login } = virtual;
  const less = (entries: Entries, message: string): Asked => {
    notes.add("changed", place, `service = ${service}`, message);
    return asks(where(entries));
  };
  const greeting = (expect: string, tls: Entries = {}): Asked => {
    if (login)
      notes.add(
        "changed",
        place,
        "login",
        "nobody logs in: the greeting is all that is looked at; an exec check can do more",
      );
    return asks(where({ type: "tcp", expect, ...tls }));
  };
  const overTcp = virtual.protocol !== "udp";
  switch (service) {
    case "http":
    case "https":
      return http(aim, where, service === "https");
    case "dns":
      return dns(aim, where);
    case "smtp":
    case "submission":
      return asks(where({ type: "smtp" }));
    case "nntp":
      return asks(where({ type: "tcp", expect: "2" }));
    case "imap":
      return greeting("* ");
    case "imaps":
      return greeting("* ", TLS);
    case "pop":
      return greeting("+OK");
    case "pops":
      return greeting("+OK", TLS);
    case "simpletcp":
      return simpleTcp(aim, where);
    case "ftp":
      return less(
        { type: "tcp", expect: "220" },
        "the greeting is looked at, no file is fetched; an exec check can do more (curl ftp://…)",
      );
    case "http_proxy":
      return less(
        { type: "tcp" },
        "no request goes through the proxy, a connection is all; an exec check can do more (curl --proxy)",
      );
    case "ldap":
    case "mysql":
    case "oracle":
    case "pgsql":
      return less(
        { type: "tcp" },
        "a connection is all, nothing is asked; an exec check with the server's own client can do more",
      );
    case "sip":
    case "radius":
      if (overTcp && service === "sip")
        return less({ type: "tcp" }, "a connection is all, no OPTIONS is sent; an exec check can do more");
      return cannot(`director does not speak ${service}: a udp check with a reply you have recorded, or an exec check`);
    case "none":
      return asks({});
  }
}

function http({ virtual, real }: Aim, where: Where, tls: boolean): Asked {
  const { notes, place, method } = virtual;
  const own = real.request !== undefined && real.receive !== undefined;
  const request = real.request ?? virtual.request;
  const target = own ? absolute(request.slice(1)) : { path: request };
  if (target === undefined)
    return cannot(`the request ${request.slice(1)} goes to another machine by its name, and director resolves none`);
  const host = httpHost(virtual.host, place, notes);
  const receive = own ? (real.receive ?? "") : virtual.receive;
  const body = bodyOf(receive, virtual, own ? real : undefined);
  if (tls)
    notes.add(
      "hint",
      place,
      "https",
      "ldirectord never looks at a certificate, so verify: false stands here; without that line an expired or wrong one is a failure",
    );
  notes.add(
    "hint",
    place,
    virtual.service,
    "ldirectord follows redirects, director takes the answer to this very request: one of 300 to 399 fails",
  );
  return asks(
    where({
      type: tls ? "https" : "http",
      path: httpPath(target.path, real.place, notes),
      method: method === "GET" ? undefined : method,
      host,
      verify: tls ? "false" : undefined,
      expect: body && map({ body }),
      ...("address" in target && { address: target.address, port: target.port }),
    }),
  );
}

/** A request that names its own server. */
function absolute(
  request: string,
): { readonly path: string; readonly address?: string; readonly port?: string } | undefined {
  const match = /^https?:\/\/(\[[^\]]*\]|[^/:]*)(?::(\d+))?(\/.*)?$/.exec(request);
  if (match === null) return { path: `/${request}` };
  const address = readHost(match[1] ?? "");
  const port = readPort(match[2] ?? (request.startsWith("https") ? "443" : "80"));
  return address.ok && port.ok
    ? { path: match[3] ?? "/", address: address.value.text, port: String(port.value) }
    : undefined;
}

function bodyOf(receive: string, virtual: Virtual, real: Real | undefined): WrittenMap | undefined {
  if (receive === "") return undefined;
  const { notes, method } = virtual;
  const place = real?.place ?? virtual.place;
  if (method === "HEAD")
    notes.add("refused", place, `receive ${receive}`, "a reply to HEAD has no body: ldirectord never finds it there");
  if (method === "HEAD") return undefined;
  if (/^[\w \-/,:;=<>"'!@#%&~]+$/.test(receive)) return map({ contains: receive });
  const regex = javascriptRegex(receive);
  if (regex.ok) return map({ regex: regex.value });
  notes.add("dropped", place, `receive ${receive}`, `${regex.error}; write it anew as expect: { body: { regex: … } }`);
  return undefined;
}

/** Any of the answer's addresses, or names, must be the one that is to be received. ldirectord asks port 53 whatever the real server's is. */
function dns({ virtual, real }: Aim, where: Where): Asked {
  const { notes, protocol } = virtual;
  const place = real.request === undefined ? virtual.place : real.place;
  const name = (real.request ?? virtual.request).slice(1);
  const receive = real.receive ?? virtual.receive;
  if (name === "") return cannot("request is not said: which name is to be asked for?");
  const asked = readHost(name);
  const wanted = readHost(receive);
  const reverse =
    asked.ok && asked.value.family === 4
      ? `${asked.value.text.split(".").reverse().join(".")}.in-addr.arpa`
      : undefined;
  if (!isDomainName(name) && !asked.ok) return cannot(`${name} is no domain name`);
  if (asked.ok && reverse === undefined) return cannot(`${name} is asked for by its name below ip6.arpa`);
  const answer =
    reverse !== undefined && receive !== ""
      ? flow({ contains: receive })
      : wanted.ok && wanted.value.family === 4
        ? flow({ address: wanted.value.text })
        : "any";
  if (answer === "any")
    notes.add(
      "changed",
      place,
      "receive",
      receive === ""
        ? "is not said, so ldirectord never finds a server good; any answer is good here"
        : `${receive} is no IPv4 address, so ldirectord never finds it; any answer is good here`,
    );
  return asks(
    where(
      {
        type: "dns",
        name: reverse ?? name,
        record: reverse === undefined ? "A" : "PTR",
        expect: map({ answer }),
        transport: protocol === "tcp" ? "tcp" : undefined,
      },
      53,
    ),
  );
}

/** The request goes out, and some line of the reply must match. director compares how a reply begins. */
function simpleTcp({ virtual, real }: Aim, where: Where): Asked {
  const { notes, place } = virtual;
  const send = (real.request ?? virtual.request).slice(1).replaceAll("\\n", "\n");
  const receive = real.receive ?? virtual.receive;
  const literal = /^\^([\w \-/,:;=<>"'!@#%&~]+)$/.exec(receive)?.[1];
  if (literal === undefined)
    notes.add(
      "changed",
      place,
      "receive",
      `${receive === "" ? "nothing" : receive} is looked for in every line of the reply, director compares how the reply begins: expect: TEXT; until then a connection is all`,
    );
  return asks(
    where({
      type: "tcp",
      send: literal === undefined || send === "" ? undefined : flow({ text: send }),
      expect: literal,
    }),
  );
}
