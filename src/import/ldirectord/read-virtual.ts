import { SCHEDULERS } from "../../config/service-keys.ts";
import { type IpAddress, parseAddress } from "../../model/address.ts";
import type { Notes } from "../notes.ts";
import type { Setting, VirtualLines } from "./lines.ts";
import {
  type CheckType,
  type Globals,
  type Real,
  SERVICE_OF_PORT,
  SERVICES,
  type ServiceWord,
  type Virtual,
} from "./model.ts";
import { type Draft, isLeftOut, NOTHING_SHARED, readShared } from "./shared.ts";
import { readHost, readMethod, readPort, type ValueReader, valueReader } from "./values.ts";

/** Addresses that one `real = A->B` may come to. */
const MOST_REALS = 1024;

/** `virtual = ADDRESS:PORT | MARK` with its settings; undefined if it is no service. */
export function readVirtual({ head, settings }: VirtualLines, globals: Globals, parent: Notes): Virtual | undefined {
  const family = head.key === "virtual6" ? 6 : 4;
  const at = readTarget(head, family, valueReader(parent));
  if (at === undefined) return undefined;
  const notes = parent.child();
  const read = valueReader(notes);
  const port = at.kind === "address" ? at.port : 0;
  const protocol = at.kind === "fwmark" ? undefined : port === 53 ? "udp" : "tcp";
  const reals: Real[] = [];
  let service: ServiceWord | undefined;
  const draft: Draft<Virtual> = {
    ...NOTHING_SHARED,
    place: head.place,
    title: head.value,
    notes,
    family,
    at,
    protocol,
    scheduler: "wrr",
    onePacket: false,
    persistent: undefined,
    netmask: undefined,
    checkType: { kind: "negotiate" },
    checkInterval: undefined,
    checkPort: undefined,
    checkCommand: "/bin/true",
    service: "none",
    request: "/",
    receive: "",
    method: "GET",
    host: undefined,
    login: false,
    fallback: undefined,
    reals,
  };
  for (const setting of settings) {
    if (setting.key === "checkinterval" && !globals.forking) {
      read.refuse(setting, "counts outside virtuals only as long as fork is not yes, ldirectord ignores it here");
      continue;
    }
    if (readShared(setting, draft, read) || isLeftOut(setting, notes)) continue;
    if (setting.key === "service") service = readService(setting, read) ?? service;
    else if (/^real6?$/.test(setting.key)) reals.push(...readReals(setting, family, read));
    else readOther(setting, draft, read);
  }
  return { ...draft, service: service ?? (at.kind === "fwmark" ? "none" : (SERVICE_OF_PORT[port] ?? "none")) };
}

function readTarget(head: Setting, family: 4 | 6, read: ValueReader): Virtual["at"] | undefined {
  const { value } = head;
  if (/^\d+$/.test(value)) {
    const mark = Number(value);
    if (mark >= 1 && mark <= 4_294_967_295) return { kind: "fwmark", mark };
    return read.refuse(head, "expected a firewall mark from 1 to 4294967295");
  }
  const match = /^(\[[^\]]*\]|[^:\s]+):([\w-]+)/.exec(value);
  const address = readHost(match?.[1] ?? value);
  const port = readPort(match?.[2] ?? "");
  if (!address.ok) return read.refuse(head, address.error);
  if (!port.ok) return read.refuse(head, port.error);
  if (address.value.family !== family)
    return read.refuse(head, `is IPv${address.value.family}: that is virtual${family === 6 ? "" : "6"}`);
  return { kind: "address", address: address.value, port: port.value };
}

function readService(setting: Setting, read: ValueReader): ServiceWord | undefined {
  const known = SERVICES.find((service) => service === setting.value);
  return known ?? read.refuse(setting, "ldirectord knows no such service and does not start with it");
}

function readOther(setting: Setting, draft: Draft<Virtual>, read: ValueReader): void {
  const { key, value, place } = setting;
  switch (key) {
    case "request": {
      const text = read.quoted(setting);
      if (text !== undefined) draft.request = rooted(text);
      return;
    }
    case "receive":
      draft.receive = read.quoted(setting) ?? draft.receive;
      return;
    case "checktype":
      draft.checkType = readCheckType(setting, read) ?? draft.checkType;
      return;
    case "checkcommand":
      draft.checkCommand = read.text(setting);
      return;
    case "checkinterval":
      draft.checkInterval = read.seconds(setting) ?? draft.checkInterval;
      return;
    case "checkport":
      draft.checkPort = read.count(setting, 1, 65_535) ?? draft.checkPort;
      return;
    case "login":
      draft.login = true;
      return;
    case "passwd":
    case "database":
    case "secret":
      return;
    case "scheduler":
      if ((SCHEDULERS as readonly string[]).includes(value)) draft.scheduler = value;
      else
        read.refuse(setting, "the kernel has no such scheduler, ipvsadm refuses the service; wrr stands in its place");
      return;
    case "persistent":
      draft.persistent = read.count(setting, 1, 2_678_400) ?? draft.persistent;
      return;
    case "netmask":
      draft.netmask = value;
      return;
    case "protocol":
      readProtocol(setting, draft, read);
      return;
    case "ops":
      draft.onePacket = read.yes(setting) ?? false;
      return;
    case "httpmethod":
      if (/^(get|head)$/i.test(value)) draft.method = value.toUpperCase() === "GET" ? "GET" : "HEAD";
      else read.refuse(setting, "expected GET or HEAD, ldirectord does not start with it");
      return;
    case "virtualhost":
      draft.host = read.text(setting);
      return;
    case "fallback":
    case "fallback6":
      if ((key === "fallback6") !== (draft.family === 6))
        read.refuse(setting, `expected fallback${draft.family === 6 ? "6" : ""}`);
      else draft.fallback = read.fallback(setting, draft.family);
      return;
    default:
      draft.notes.add("refused", place, key, "unknown in a virtual, ldirectord does not start with it");
  }
}

function readProtocol(setting: Setting, draft: Draft<Virtual>, read: ValueReader): void {
  const { value } = setting;
  const mark = draft.at.kind === "fwmark";
  if (mark ? value === "fwm" : value === "tcp" || value === "udp") {
    if (value === "tcp" || value === "udp") draft.protocol = value;
  } else read.refuse(setting, `expected ${mark ? "fwm" : "tcp or udp"}, ldirectord does not start with it`);
}

function readCheckType(setting: Setting, read: ValueReader): CheckType | undefined {
  const { value } = setting;
  if (/^\d{1,6}$/.test(value)) return { kind: "combined", connects: Number(value) };
  switch (value) {
    case "negotiate":
    case "connect":
    case "ping":
    case "external":
    case "external-perl":
    case "on":
    case "off":
      return { kind: value };
    default:
      return read.refuse(setting, "ldirectord knows no such checktype and does not start with it");
  }
}

export function rooted(request: string): string {
  return request.startsWith("/") ? request : `/${request}`;
}

/** `real = ADDRESS[->ADDRESS][:PORT] gate|masq|ipip [WEIGHT] ["REQUEST", "RECEIVE"]`. */
function readReals(setting: Setting, family: 4 | 6, read: ValueReader): readonly Real[] {
  const form =
    /^(\[[^\]]*\]|[\w.]+)(?:->(\[[^\]]*\]|[\w.]+))?(?::([\w-]+))?\s+(\w+)(?:\s+(\d+))?(?:\s+"(.*)"[, ]\s*"(.*)")?\s*$/;
  const match = form.exec(setting.value);
  if (match === null || (setting.key === "real6") !== (family === 6)) {
    read.refuse(
      setting,
      match === null
        ? 'expected ADDRESS:PORT gate|masq|ipip [WEIGHT] ["REQUEST", "RECEIVE"]'
        : `expected real${family === 6 ? "6" : ""}`,
    );
    return [];
  }
  const [, from = "", to, portText, methodText = "", weightText = "1", request, receive] = match;
  const addresses = readRange(setting, from, to, family, read);
  const port =
    portText === undefined || portText === "0" ? { ok: true as const, value: undefined } : readPort(portText);
  const method = readMethod(methodText);
  const weight = Number(weightText);
  if (!port.ok) read.refuse(setting, port.error);
  if (method === undefined) read.refuse(setting, "expected gate, masq or ipip behind the address");
  if (weight > 65_535) read.refuse(setting, "the weight is more than 65535, ipvsadm refuses it");
  if (!port.ok || method === undefined || weight > 65_535) return [];
  const common = { place: setting.place, port: port.value, method, weight, receive };
  return addresses.map((address) => ({
    ...common,
    address,
    request: request === undefined ? undefined : rooted(request),
  }));
}

function readRange(
  setting: Setting,
  from: string,
  to: string | undefined,
  family: 4 | 6,
  read: ValueReader,
): readonly IpAddress[] {
  const first = readHost(from);
  const last = to === undefined ? first : readHost(to);
  const wrong = [first, last].find((each) => !each.ok);
  if (wrong?.ok === false) read.refuse(setting, wrong.error);
  if (!first.ok || !last.ok) return [];
  if (first.value.family !== family || last.value.family !== family) {
    read.refuse(setting, `expected an IPv${family} address`);
    return [];
  }
  if (to === undefined) return [first.value];
  const [begin, end] = [number(first.value), number(last.value)];
  if (family === 6 || end < begin || end - begin >= MOST_REALS) {
    read.refuse(
      setting,
      family === 6 ? "ranges are for IPv4 only" : `expected a range upwards, of at most ${MOST_REALS} addresses`,
    );
    return [];
  }
  return Array.from({ length: end - begin + 1 }, (_, i) => address(begin + i)).filter((each) => each !== undefined);
}

function number({ text }: IpAddress): number {
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function address(n: number): IpAddress | undefined {
  return parseAddress([24, 16, 8, 0].map((shift) => Math.floor(n / 2 ** shift) % 256).join("."));
}
