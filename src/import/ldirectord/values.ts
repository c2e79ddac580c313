import { readUnicast } from "../../config/addresses.ts";
import { err, ok, type Result } from "../../model/result.ts";
import type { Notes } from "../notes.ts";
import type { Setting } from "./lines.ts";
import type { Fallback, Method } from "./model.ts";

/** Names of ports as /etc/services has them on every machine; others are to be written as numbers. */
const PORTS: Readonly<Record<string, number>> = {
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  domain: 53,
  http: 80,
  www: 80,
  pop3: 110,
  nntp: 119,
  ntp: 123,
  imap: 143,
  imap2: 143,
  ldap: 389,
  https: 443,
  submission: 587,
  ldaps: 636,
  imaps: 993,
  pop3s: 995,
  radius: 1812,
  mysql: 3306,
  sip: 5060,
  postgresql: 5432,
};

export function readPort(text: string): Result<number, string> {
  const known = Object.hasOwn(PORTS, text) ? PORTS[text] : undefined;
  const port = known ?? (/^\d{1,5}$/.test(text) ? Number(text) : 0);
  return port >= 1 && port <= 65_535 ? ok(port) : err(`expected a port from 1 to 65535, not "${text}"`);
}

/** A literal address, an IPv6 one in brackets. Names are resolved by ldirectord at its start, and by director never. */
export function readHost(text: string) {
  return readUnicast(text.replace(/^\[(.*)\]$/, "$1"));
}

/** Reads single values; what is none is noted, and undefined, as if the line were not there. */
export function valueReader(notes: Notes) {
  const refuse = ({ key, value, place }: Setting, why: string): undefined => {
    notes.add("refused", place, `${key} = ${value}`, why);
    return undefined;
  };
  return {
    refuse,
    count(setting: Setting, min: number, max: number): number | undefined {
      // Outside virtuals a comment behind a value is a part of it, of which a number has no more than its digits.
      const text = setting.value.replace(/\s+#.*$/, "");
      const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return value;
      const digits = /\d+/.exec(text)?.[0];
      const taken = digits === undefined || digits === text ? "" : ` (ldirectord takes it for ${digits})`;
      return refuse(setting, `expected a whole number from ${min} to ${max}${taken}; left out`);
    },
    seconds(setting: Setting): number | undefined {
      const value = this.count(setting, 1, 86_400);
      return value === undefined ? undefined : value * 1000;
    },
    yes(setting: Setting): boolean | undefined {
      if (setting.value === "yes" || setting.value === "no") return setting.value === "yes";
      return refuse(setting, "expected yes or no, ldirectord does not start with it");
    },
    /** With or without double quotes around it. */
    text(setting: Setting): string {
      return /^"(.*)"$/.exec(setting.value)?.[1] ?? setting.value;
    },
    /** Keys whose value counts in double quotes only. */
    quoted(setting: Setting): string | undefined {
      const text = /^"(.*)"/.exec(setting.value)?.[1];
      return text === undefined || text === ""
        ? refuse(setting, "expected text in double quotes, ldirectord does not start with it")
        : text;
    },
    fallback(setting: Setting, family: 4 | 6): Fallback | undefined {
      const match = /^(\[[^\]]*\]|[^\s:]+)(?::(\S+))?(?:\s+(\S+))?$/.exec(setting.value);
      const [, host = "", portText, methodText = "gate"] = match ?? [];
      const address = readHost(host);
      const port = portText === undefined ? ok(undefined) : readPort(portText);
      const method = readMethod(methodText);
      if (!address.ok) return refuse(setting, address.error);
      if (address.value.family !== family) return refuse(setting, `expected an IPv${family} address`);
      if (!port.ok) return refuse(setting, port.error);
      if (method === undefined) return refuse(setting, "expected gate, masq or ipip behind the address");
      return { address: address.value, port: port.value, method, place: setting.place };
    },
  };
}

export type ValueReader = ReturnType<typeof valueReader>;

export function readMethod(text: string): Method | undefined {
  return text === "gate" || text === "masq" || text === "ipip" ? text : undefined;
}
