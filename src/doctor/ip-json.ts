import { z } from "zod";
import { parseAddress } from "../model/address.ts";
import type { Interface, Route } from "./facts.ts";

/** Reads `ip -json -details address show`.
 *  @throws SyntaxError, ZodError */
export function parseInterfaces(text: string): readonly Interface[] {
  return LINKS.parse(JSON.parse(text)).map((link) => ({
    name: link.ifname,
    kind: link.linkinfo?.info_kind,
    addresses: link.addr_info.map(({ local, prefixlen }) => ({
      address: parseAddress(local)?.text ?? local,
      prefix: prefixlen,
    })),
    promiscuous: link.flags.includes("PROMISC"),
    master: link.master,
    hairpin: link.linkinfo?.info_slave_data?.hairpin ?? false,
    bridgeNetfilter: link.linkinfo?.info_data?.nf_call_iptables === 1,
  }));
}

const LINKS = z.array(
  z.object({
    ifname: z.string(),
    flags: z.array(z.string()),
    master: z.string().optional(),
    linkinfo: z
      .object({
        info_kind: z.string().optional(),
        info_data: z.object({ nf_call_iptables: z.number().optional().catch(undefined) }).optional(),
        info_slave_data: z.object({ hairpin: z.boolean().optional().catch(undefined) }).optional(),
      })
      .optional(),
    // A point-to-point address has no `local` of its own net in some versions.
    addr_info: z.array(z.object({ local: z.string(), prefixlen: z.number() }).catch({ local: "", prefixlen: 0 })),
  }),
);

/** Reads the answers to `route get`, one array a line, as `ip -json -force -batch -` prints them. Addresses without a route have no answer, or one of
 *  the kinds that refuse.
 *  @throws SyntaxError, ZodError */
export function parseRoutes(text: string): ReadonlyMap<string, Route> {
  const routes = new Map<string, Route>();
  for (const line of text.split("\n")) {
    if (!line.startsWith("[")) continue;
    for (const { dst, type = "unicast", dev, gateway, via, prefsrc } of ROUTES.parse(JSON.parse(line)))
      if (dev !== undefined && (type === "unicast" || type === "local")) {
        const route = { local: type === "local", device: dev, gateway: gateway ?? via?.host, source: prefsrc };
        routes.set(parseAddress(dst)?.text ?? dst, route);
      }
  }
  return routes;
}

const ROUTES = z.array(
  z.object({
    dst: z.string(),
    type: z.string().optional(),
    dev: z.string().optional(),
    gateway: z.string().optional(),
    via: z.object({ host: z.string() }).optional(),
    prefsrc: z.string().optional(),
  }),
);

/** The interfaces of `ip -json route show default`.
 *  @throws SyntaxError, ZodError */
export function parseDefaults(text: string): readonly string[] {
  const hop = z.object({ dev: z.string().optional() });
  const routes = z
    .array(hop.extend({ nexthops: z.array(hop).optional() }))
    .parse(JSON.parse(text === "" ? "[]" : text));
  const devices = routes.flatMap(({ dev, nexthops = [] }) => [dev, ...nexthops.map((each) => each.dev)]);
  return [...new Set(devices.filter((device) => device !== undefined))];
}

/** Reads `ipset save`: the elements of each set. */
export function parseIpsets(text: string): ReadonlyMap<string, readonly string[]> {
  const sets = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [verb, name = "", element = ""] = line.split(" ");
    if (verb === "create") sets.set(name, []);
    if (verb === "add") sets.get(name)?.push(element);
  }
  return sets;
}
