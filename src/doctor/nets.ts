import { BlockList, isIP } from "node:net";
import type { IpAddress } from "../model/address.ts";
import type { Net } from "./packet-rules.ts";

/** Reads `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.1-10.0.0.9`, `fd00::/8` or a single address. */
export function parseNet(text: string): Net | undefined {
  const [from = "", to] = text.split("-");
  if (to !== undefined)
    return sameFamily(from, to) ? { family: familyOf(from), from, to, prefix: undefined } : undefined;
  const [address = "", length] = text.split("/");
  if (isIP(address) === 0) return undefined;
  const full = isIP(address) === 4 ? 32 : 128;
  const prefix = length === undefined ? full : length.includes(".") ? prefixOf(length) : Number(length);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > full) return undefined;
  return { family: familyOf(address), from: address, to: address, prefix };
}

/** Whether the address lies in the net. */
export function contains(net: Net, address: IpAddress): boolean {
  if (net.family !== address.family) return false;
  const family = net.family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  if (net.prefix === undefined) list.addRange(net.from, net.to, family);
  else list.addSubnet(net.from, net.prefix, family);
  return list.check(address.text, family);
}

function familyOf(text: string): 4 | 6 {
  return isIP(text) === 6 ? 6 : 4;
}

function sameFamily(a: string, b: string): boolean {
  return isIP(a) !== 0 && isIP(a) === isIP(b);
}

/** `255.255.255.0` is 24. */
function prefixOf(mask: string): number {
  return mask
    .split(".")
    .map((part) => Number(part).toString(2).replaceAll("0", "").length)
    .reduce((sum, bits) => sum + bits, 0);
}
