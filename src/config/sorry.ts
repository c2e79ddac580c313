import { formatEndpoint } from "../model/address.ts";
import type { CheckSpec } from "../model/probe.ts";
import { destinationPort, fits, type RealServer, type Service, serverKey } from "../model/service.ts";
import { type CheckReader, checkSpec } from "./checks.ts";
import { ownPort } from "./draft.ts";
import { forwardingOf } from "./forwarding.ts";
import type { Problems } from "./problems.ts";
import { serverPort } from "./servers.ts";
import { type ServiceKeys, sorryServerSchema } from "./service-keys.ts";
import { atKey, child, type MapNode, merge, pick } from "./tree.ts";
import { typed } from "./typed.ts";

/** The weight of the only server that has any. */
const SORRY_WEIGHT = 1;

/** The sorry server inherits the service's forwarding method, and its port follows the same rules as a real server's. Of checks it has only its
 *  own: what is asked of the real servers it need not answer.
 *  @param home the service as written */
export function sorryServerOf(
  keys: ServiceKeys,
  merged: MapNode,
  { frontends, servers }: Pick<Service, "frontends" | "servers">,
  home: MapNode,
  reader: CheckReader,
  problems: Problems,
): RealServer | undefined {
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
  const checks = ownCheck(written, home, reader, { address, probePort: ports.probed }, problems);
  if (checks === undefined) return undefined;
  const result: RealServer = {
    key: serverKey(address, ports.port),
    name: `sorry server ${formatEndpoint(address, ports.port)}`,
    address,
    port: ports.port,
    weight: SORRY_WEIGHT,
    forwarding,
    labels: {},
    checks,
  };
  const samePort = (port: number | undefined) =>
    frontends.some((f) => destinationPort(f, port) === destinationPort(f, result.port));
  const twin = servers.find((server) => server.address.text === address.text && samePort(server.port));
  if (twin !== undefined) problems.error(atKey(node, "address"), `is the real server ${twin.name} of this service too`);
  const apart = frontends.filter((f) => !fits(f, result)).length;
  if (apart === frontends.length)
    problems.warning(atKey(node, "address"), `never serves: it is IPv${address.family}, the service is not`);
  else if (apart > 0)
    problems.warning(
      atKey(node, "address"),
      `serves IPv${address.family} clients only; for the others the real servers keep what they have`,
    );
  return result;
}

/** undefined: its problems are reported. */
function ownCheck(
  written: MapNode,
  home: MapNode,
  reader: CheckReader,
  { address, probePort }: { readonly address: RealServer["address"]; readonly probePort: number | undefined },
  problems: Problems,
): readonly CheckSpec[] | undefined {
  const node = child(written, "check");
  if (node === undefined || (node.kind === "scalar" && node.text === "none")) return [];
  if (node.kind !== "map") {
    problems.error(node.at, "expected a map such as { type: http, path: /sorry }");
    return undefined;
  }
  const check = reader.read(node);
  const whyPort = "the sorry server has no port of its own";
  const server = { address, probePort, servicePort: probePort, whyPort, service: home };
  const spec = check && checkSpec(check, server, problems);
  return spec && [spec];
}
