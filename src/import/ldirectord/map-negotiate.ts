import { err, ok } from "../../model/result.ts";
import { type Entries, flow } from "../written.ts";
import type { Aim, Asked, Where } from "./aim.ts";
import { dns } from "./map-dns.ts";
import { http } from "./map-http.ts";

const TLS: Entries = { tls: "true", verify: "false" };

/** The full check of a service. Where director does not speak the protocol it looks at the greeting, which says less. */
export function negotiate(aim: Aim, where: Where): Asked {
  const { virtual } = aim;
  const { service, notes, place, login } = virtual;
  const less = (entries: Entries, message: string): Asked => {
    notes.add("changed", place, `service = ${service}`, message);
    return ok(where(entries));
  };
  const greeting = (expect: string, tls: Entries = {}): Asked => {
    if (login)
      notes.add(
        "changed",
        place,
        "login",
        "nobody logs in: the greeting is all that is looked at; an exec check can do more",
      );
    return ok(where({ type: "tcp", expect, ...tls }));
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
      return ok(where({ type: "smtp" }));
    case "nntp":
      return ok(where({ type: "tcp", expect: "2" }));
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
      return err(`director does not speak ${service}: a udp check with a reply you have recorded, or an exec check`);
    case "none":
      return ok({});
  }
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
  return ok(
    where({
      type: "tcp",
      send: literal === undefined || send === "" ? undefined : flow({ text: send }),
      expect: literal,
    }),
  );
}
