import { destinationPort, fits, type Service } from "../model/service.ts";
import { ownPort } from "./draft.ts";
import { forwardingOf } from "./forwarding.ts";
import type { Problems } from "./problems.ts";
import { serverPort } from "./servers.ts";
import { type ServiceKeys, sorryServerSchema } from "./service-keys.ts";
import { atKey, child, type MapNode, merge, pick } from "./tree.ts";
import { typed } from "./typed.ts";

/** The sorry server inherits the service's forwarding method, and its port follows the same rules as a real server's. */
export function sorryServerOf(
  keys: ServiceKeys,
  merged: MapNode,
  { frontends, servers }: Pick<Service, "frontends" | "servers">,
  problems: Problems,
): Service["sorryServer"] {
  const written = child(merged, "sorry_server");
  if (keys.sorry_server === undefined || keys.sorry_server === "none" || written?.kind !== "map") return undefined;
  const node = merge(
    pick(merged, (key) => key === "forward" || key === "tunnel"),
    written,
  );
  const sorry = typed(sorryServerSchema, node, problems)?.value;
  const forwarding = sorry && forwardingOf(sorry, node, written, problems);
  if (sorry === undefined || forwarding === undefined) return undefined;
  const { address } = sorry.address;
  const placed = { forwarding, ...ownPort(sorry, node, problems) };
  const ports = serverPort(placed, { frontends, port: undefined }, problems);
  if (ports === undefined) return undefined;
  const result = { address, port: ports.port, forwarding };
  const samePort = (port: number | undefined) =>
    frontends.some((f) => destinationPort(f, port) === destinationPort(f, result.port));
  const twin = servers.find((server) => server.address.text === address.text && samePort(server.port));
  if (twin !== undefined) problems.error(atKey(node, "address"), `is the real server ${twin.name} of this service too`);
  if (!frontends.some((f) => fits(f, result)))
    problems.warning(atKey(node, "address"), `never serves: it is IPv${address.family}, the service is not`);
  return result;
}
