import type { Forwarding } from "../model/service.ts";
import type { Problems } from "./problems.ts";
import type { ServerKeys } from "./service-keys.ts";
import { atKey, child, type MapNode } from "./tree.ts";

/** The forwarding method of merged keys. `own` is the most specific level: a `tunnel` written there without `forward: tunnel` is a
 *  mistake, one inherited is only not needed. */
export function forwardingOf(
  keys: Pick<ServerKeys, "forward" | "tunnel">,
  merged: MapNode,
  own: MapNode,
  problems: Problems,
): Forwarding | undefined {
  if (keys.forward !== "tunnel") {
    const tunnel = own.entries.get("tunnel");
    if (tunnel !== undefined)
      problems.error(tunnel.keyAt, `means something with forward: tunnel only, and forward is ${keys.forward}`);
    return tunnel === undefined ? { kind: keys.forward } : undefined;
  }
  const { type, port, checksum } = keys.tunnel ?? { type: "ipip", port: undefined, checksum: "none" };
  const node = child(merged, "tunnel");
  const at = (key: string) => (node?.kind === "map" ? atKey(node, key) : merged.at);
  if (type !== "gue" && port !== undefined) {
    problems.error(at("port"), `only gue tunnels have a port, this one is ${type}`);
    return undefined;
  }
  switch (type) {
    case "ipip":
      if (checksum === "none") return { kind: "tunnel", encapsulation: "ipip" };
      problems.error(at("checksum"), "ipip tunnels have no checksum");
      return undefined;
    case "gre":
      if (checksum !== "remote") return { kind: "tunnel", encapsulation: "gre", checksum };
      problems.error(at("checksum"), "remote checksums are for gue only: expected none or checksum");
      return undefined;
    case "gue":
      if (port !== undefined) return { kind: "tunnel", encapsulation: "gue", port, checksum };
      problems.error(at("port"), "missing: a gue tunnel needs the UDP port the real server takes it on");
      return undefined;
  }
}
