import type { Config } from "../model/config.ts";
import {
  type DestinationKey,
  destinationKey,
  destinationPort,
  type Frontend,
  fits,
  type RealServer,
  type Service,
  type ServiceKey,
  serviceKey,
} from "../model/service.ts";

/** Where a real server stands in the kernel's table: once below each frontend that can have it. */
export interface Place {
  readonly service: ServiceKey;
  readonly frontend: Frontend;
  readonly destination: DestinationKey;
}

export function placesOf(service: Service, server: RealServer): readonly Place[] {
  return service.frontends
    .filter((frontend) => fits(frontend, server))
    .map((frontend) => ({
      service: serviceKey(frontend),
      frontend,
      destination: destinationKey(server.address, destinationPort(frontend, server.port)),
    }));
}

/** Every kernel entry of a service. */
export function entriesOf(service: Service): readonly ServiceKey[] {
  return service.frontends.map(serviceKey);
}

/** The service that has one of these kernel entries, whatever it is called by now. */
export function serviceWith(config: Config, entries: readonly ServiceKey[]): Service | undefined {
  return config.services.find((service) =>
    service.frontends.some((frontend) => entries.includes(serviceKey(frontend))),
  );
}
