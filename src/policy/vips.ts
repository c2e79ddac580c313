import type { IpAddress } from "../model/address.ts";
import type { Frontend, Service } from "../model/service.ts";

/** An address that the services of this machine want there, or that was taken off because of them. */
export interface ServiceAddress {
  readonly address: IpAddress;
  /** Names of the services that have it; none: they have left the file, and their last connections are waited for. */
  readonly services: readonly string[];
}

export interface WantedAddresses {
  /** By the address's text. */
  readonly wanted: ReadonlyMap<string, ServiceAddress>;
  /** Off, because no service of it has its quorum. */
  readonly withdrawn: ReadonlyMap<string, ServiceAddress>;
}

/** The addresses that belong on this machine. One that several services share is withdrawn only when all of them have lost their quorum: it
 *  would take those that work along. One of a service that has left the file stays until its last connection has ended (`leaving`): packets
 *  to an address that is not ours never reach the kernel's table. */
export function wantedAddresses(
  services: readonly Service[],
  leaving: Iterable<Frontend>,
  hasQuorum: (service: Service) => boolean,
  withdraw: boolean,
): WantedAddresses {
  const all = new Map<string, { readonly address: IpAddress; readonly services: string[]; serves: boolean }>();
  for (const service of services) {
    const serves = !withdraw || hasQuorum(service);
    for (const frontend of service.frontends) {
      if (frontend.kind !== "address") continue;
      const found = all.get(frontend.address.text) ?? { address: frontend.address, services: [], serves: false };
      all.set(frontend.address.text, found);
      if (found.services.at(-1) !== service.name) found.services.push(service.name);
      found.serves ||= serves;
    }
  }
  for (const frontend of leaving)
    if (frontend.kind === "address" && !all.has(frontend.address.text))
      all.set(frontend.address.text, { address: frontend.address, services: [], serves: true });
  const part = (serves: boolean) => new Map([...all].filter(([, found]) => found.serves === serves));
  return { wanted: part(true), withdrawn: part(false) };
}
