import type { Config } from "../model/config.ts";
import { type Drain, isActive, isStanding } from "../policy/drain.ts";
import type { AddedServer } from "../policy/intent.ts";
import { serviceWith } from "./places.ts";

/** What has to stand beside the file's own servers: the added ones of services that are there, unless the file has them by now. */
export function additionsFor(
  file: Config,
  added: readonly AddedServer[],
): readonly { readonly service: string; readonly address: string }[] {
  return added.flatMap(({ services, address, server }) => {
    const service = serviceWith(file, services);
    return !service || service.servers.some((s) => s.key === server) ? [] : [{ service: service.name, address }];
  });
}

/** Those that a drain still needs: one under way, or one whose shares stand. */
export function stillNeeded(added: readonly AddedServer[], drains: readonly Drain[]): readonly AddedServer[] {
  const live = drains.filter((drain) => isActive(drain) || isStanding(drain));
  return added.filter((a) =>
    live.some((drain) => drain.to.includes(a.server) && drain.service.some((key) => a.services.includes(key))),
  );
}
