import type { ServerState, ServiceStatus } from "../control/shapes.ts";
import { counted } from "./counted.ts";
import type { Paint } from "./output.ts";

/** How many there are of each. */
export interface Census {
  readonly services: number;
  readonly troubled: number;
  readonly servers: number;
  readonly of: Readonly<Record<ServerState, number>>;
  readonly disabled: number;
}

export function census(services: readonly ServiceStatus[]): Census {
  const of = { up: 0, "presumed-up": 0, "no-check": 0, unknown: 0, down: 0 };
  let servers = 0;
  let disabled = 0;
  for (const service of services)
    for (const server of service.servers) {
      servers++;
      of[server.state]++;
      if (server.disabled) disabled++;
    }
  const troubled = services.filter(({ trouble }) => trouble !== undefined).length;
  return { services: services.length, troubled, servers, of, disabled };
}

/** `3 services, 12 servers: 10 up, 2 DOWN, 1 disabled`. */
export function censusLine({ services, troubled, servers, of, disabled }: Census, paint: Paint): string {
  const up = of.up + of["presumed-up"];
  const parts = [
    ...(up > 0 ? [paint("green", `${up} up`)] : []),
    ...(of.down > 0 ? [paint("red", `${of.down} DOWN`)] : []),
    ...(of.unknown > 0 ? [paint("yellow", `${of.unknown} not probed`)] : []),
    ...(of["no-check"] > 0 ? [`${of["no-check"]} without check`] : []),
    ...(disabled > 0 ? [paint("yellow", `${disabled} disabled`)] : []),
  ];
  const bad = troubled > 0 ? paint("red", ` (${troubled} IN TROUBLE)`) : "";
  const counts = `${counted(services, "service")}${bad}, ${counted(servers, "server")}`;
  return parts.length === 0 ? counts : `${counts}: ${parts.join(", ")}`;
}
