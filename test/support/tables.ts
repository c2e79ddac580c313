import assert from "node:assert/strict";
import { diff } from "../../src/ipvs/diff.ts";
import { parseListing } from "../../src/ipvs/listing.ts";
import { ruleLine } from "../../src/ipvs/rules.ts";
import type { Glance, IpvsChange, IpvsTable } from "../../src/ipvs/table.ts";
import type { DestinationKey, ServiceKey } from "../../src/model/service.ts";

export const WEB = "tcp:192.0.2.10:80" as ServiceKey;
export const at = (text: string) => text as DestinationKey;

/** A table from lines of `ipvsadm -Sn`. */
export function listing(...lines: readonly string[]): IpvsTable {
  const { table, unreadable } = parseListing(lines.join("\n"));
  assert.deepEqual(unreadable, []);
  return table;
}

/** A wrr service at 192.0.2.10:80 with these servers: `10.0.0.1:80 100`. */
export function web(...servers: readonly string[]): IpvsTable {
  const lines = servers.map((server) => {
    const [address, weight] = server.split(" ");
    return `-a -t 192.0.2.10:80 -r ${address} -m -w ${weight}`;
  });
  return listing("-A -t 192.0.2.10:80 -s wrr", ...lines);
}

/** What a glance shows of a table, with connections where they are told: `{ "10.0.0.1:80": 3 }`. */
export function glanceAt(table: IpvsTable, active: Readonly<Record<string, number>> = {}): Glance {
  return new Map(
    [...table].map(([service, { scheduler, destinations }]) => [
      service,
      {
        scheduler,
        destinations: new Map(
          [...destinations].map(([key, { weight, forwarding }]) => [
            key,
            { weight, forwarding: forwarding.kind, active: active[key] ?? 0, inactive: 0 },
          ]),
        ),
      },
    ]),
  );
}

/** The changes between two tables that are ours, as rule lines. */
export function linesBetween(from: IpvsTable, to: IpvsTable): readonly string[] {
  return diff(to, from, new Set(from.keys())).map(ruleLine);
}

export function changesBetween(from: IpvsTable, to: IpvsTable): readonly IpvsChange[] {
  return diff(to, from, new Set(from.keys()));
}
