import { readUnicast } from "../../config/addresses.ts";
import { type IpAddress, parseAddress } from "../../model/address.ts";
import { err, ok, type Result } from "../../model/result.ts";
import type { Notes } from "../notes.ts";
import { valueReader } from "./block.ts";
import type { Group, GroupMember } from "./model.ts";
import type { Statement } from "./tree.ts";
import { whole } from "./words.ts";

/** Addresses that one group may come to; a firewall mark serves more with one entry. */
const MOST_MEMBERS = 1024;

/** `virtual_server_group NAME { … }`; undefined if nothing stands in it. */
export function readGroup(statement: Statement, notes: Notes): Group | undefined {
  const read = valueReader(notes);
  const [name] = statement.args;
  if (name === undefined) return read.refuse(statement, "its name is missing");
  const members: GroupMember[] = [];
  for (const line of statement.block ?? []) {
    const found = membersOf(line);
    if (!found.ok) read.refuse(line, `${found.error}; left out`);
    else if (members.length + found.value.length > MOST_MEMBERS)
      notes.add(
        "dropped",
        line.place,
        line.keyword,
        `the group comes to more than ${MOST_MEMBERS} addresses: mark their packets (iptables -j MARK) and give one service that fwmark`,
      );
    else members.push(...found.value);
  }
  if (members.length === 0) return read.refuse(statement, "nothing that can be used stands in it");
  const families = new Set(members.flatMap((member) => (member.kind === "address" ? member.address.family : [])));
  const unsaid = members.find((member) => member.kind === "fwmark" && member.family === undefined);
  // vsg_handler of check_parser.c
  if (families.size > 1 && unsaid !== undefined)
    return read.refuse(
      statement,
      "has addresses of both families and a mark without inet or inet6: keepalived leaves the whole group out, and so does this import",
    );
  return { name, place: statement.place, members };
}

function membersOf({ keyword, args, place }: Statement): Result<readonly GroupMember[], string> {
  if (keyword === "fwmark") {
    const mark = whole(args[0], 1, 4_294_967_295);
    const family = args[1] === "inet" ? 4 : args[1] === "inet6" ? 6 : undefined;
    if (mark === undefined) return err("expected a firewall mark from 1 to 4294967295");
    if (args[1] !== undefined && family === undefined) return err("expected inet or inet6 behind the mark");
    return ok([{ kind: "fwmark", mark, family, place }]);
  }
  const [portText] = args;
  const port = portText === undefined || portText === "0" ? undefined : whole(portText, 1, 65_535);
  if (port === undefined && portText !== undefined && portText !== "0")
    return err(`expected a port from 1 to 65535, not ${portText}`);
  if (args.length > 1) return err(`keepalived reads an address and a port, and not ${args.slice(1).join(" ")}`);
  const addresses = addressesOf(keyword);
  return addresses.ok ? ok(addresses.value.map((address) => ({ kind: "address", address, port, place }))) : addresses;
}

/** `192.0.2.1`, `192.0.2.1-10`, `192.0.2.1-192.0.2.10`, `192.0.2.0/28`, `2001:db8::1-f` (hexadecimal, the last 16 bits). */
function addressesOf(text: string): Result<readonly IpAddress[], string> {
  const match = /^([^-/]+)(?:-([^-/]+)|\/(\d{1,3}))?$/.exec(text);
  const first = parseAddress(match?.[1] ?? "");
  if (match === null || first === undefined) return err("expected an address or a range of addresses");
  const [, , end, length] = match;
  const bits = first.family === 4 ? 32 : 128;
  const from = toNumber(first);
  let to = from;
  if (end !== undefined) {
    const last = lastOf(first, end);
    if (last === undefined) return err(`${end} is no end of a range that begins with ${first.text}`);
    to = last;
  }
  if (length !== undefined) {
    if (Number(length) > bits || Number(length) === 0) return err(`/${length} is no length of a prefix`);
    const size = 1n << BigInt(bits - Number(length));
    if (from % size !== 0n) return err(`${text} has bits beyond its prefix`);
    to = from + size - 1n;
  }
  if (to < from) return err("the range ends before it begins");
  if (to - from >= BigInt(MOST_MEMBERS))
    return err(`more than ${MOST_MEMBERS} addresses: mark their packets, and give one service that fwmark`);
  const found: IpAddress[] = [];
  for (let n = from; n <= to; n++) {
    const address = readUnicast(toText(n, first.family));
    if (!address.ok) return address;
    found.push(address.value);
  }
  return ok(found);
}

function lastOf(first: IpAddress, end: string): bigint | undefined {
  const whole = parseAddress(end);
  if (whole !== undefined) return whole.family === first.family ? toNumber(whole) : undefined;
  const from = toNumber(first);
  if (first.family === 4) return /^\d{1,3}$/.test(end) && Number(end) < 256 ? (from & ~0xffn) + BigInt(end) : undefined;
  return /^[0-9a-f]{1,4}$/i.test(end) ? (from & ~0xffffn) + BigInt(`0x${end}`) : undefined;
}

function toNumber({ family, text }: IpAddress): bigint {
  if (family === 4) return text.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].reduce((sum, part) => sum * 65_536n + BigInt(`0x${part}`), 0n);
}

function toText(n: bigint, family: 4 | 6): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((n >> shift) & 0xffn)).join(".");
  const parts = Array.from({ length: 8 }, (_, i) => ((n >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  return parts.join(":");
}
