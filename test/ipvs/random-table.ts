import fc from "fast-check";
import { SCHEDULERS } from "../../src/ipvs/apply.ts";
import type { Destination, EntryPersistence, IpvsTable, ServiceEntry } from "../../src/ipvs/table.ts";
import { type IpAddress, parseAddress } from "../../src/model/address.ts";
import {
  type ConnectionLimits,
  type DestinationKey,
  destinationKey,
  type Forwarding,
  type Frontend,
  fits,
  type ServiceKey,
  serviceKey,
} from "../../src/model/service.ts";

/** Few addresses, so that tables have services and servers in common. */
const FOUR = ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.200.30.4", "172.16.255.254"];
const SIX = ["fd00::1", "fd00::2", "fd00:0:0:1::", "fd00:1:1:1:1:1:1:1", "fd00:0:1::1:0:1", "2001:db8::a:0:0:1"];

/** As they are written in code, so that assert.deepEqual takes them for equal. */
const plain = { noNullPrototype: true } as const;

const family = fc.constantFrom<4 | 6>(4, 6);
const addressOf = (f: 4 | 6): fc.Arbitrary<IpAddress> =>
  fc.constantFrom(...(f === 4 ? FOUR : SIX)).map((text) => parseAddress(text)!);

const frontend: fc.Arbitrary<Frontend> = fc.oneof(
  family.chain((f) =>
    fc.record(
      {
        kind: fc.constant("address" as const),
        protocol: fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const),
        address: addressOf(f),
        port: fc.constantFrom(1, 80, 5060, 65_535),
      },
      plain,
    ),
  ),
  fc.record(
    {
      kind: fc.constant("fwmark" as const),
      mark: fc.constantFrom(1, 7, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
      family,
    },
    plain,
  ),
);

const forwarding: fc.Arbitrary<Forwarding> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Forwarding>({ kind: "masquerade" }) },
  { weight: 2, arbitrary: fc.constant<Forwarding>({ kind: "direct" }) },
  fc.constant<Forwarding>({ kind: "tunnel", encapsulation: "ipip" }),
  fc.record(
    {
      kind: fc.constant("tunnel" as const),
      encapsulation: fc.constant("gue" as const),
      port: fc.constantFrom(1, 5555, 65_535),
      checksum: fc.constantFrom("none" as const, "checksum" as const, "remote" as const),
    },
    plain,
  ),
  fc.record(
    {
      kind: fc.constant("tunnel" as const),
      encapsulation: fc.constant("gre" as const),
      checksum: fc.constantFrom("none" as const, "checksum" as const),
    },
    plain,
  ),
);

const weight = fc.oneof(fc.constantFrom(0, 0, 1, 2, 50, 100, 65_535, 2_147_483_647), fc.nat(200));

const limits: fc.Arbitrary<ConnectionLimits | undefined> = fc.option(
  fc
    .tuple(fc.constantFrom(1, 2, 1000, 2_147_483_647), fc.constantFrom(0, 1, 2, 750, 2_147_483_647))
    .map(([upper, lower]) => ({ upper, lower: Math.min(lower, upper) })),
  { freq: 1, nil: undefined },
);

/** Any destination the configuration can put below this frontend. */
export function destinationBelow(front: Frontend): fc.Arbitrary<Destination> {
  return fc
    .record({
      address: family.chain(addressOf),
      forwarding,
      weight,
      limits,
      ownPort: fc.constantFrom(0, 80, 8080, 65_535),
    })
    .filter((d) => fits(front, d))
    .map(({ ownPort, limits, ...d }) => {
      const follows = d.forwarding.kind !== "masquerade" || ownPort === 0;
      const port = front.kind === "fwmark" ? 0 : follows ? front.port : ownPort;
      return { ...d, port, ...(limits === undefined ? {} : { limits }) };
    });
}

function flagsOf(scheduler: string): fc.Arbitrary<readonly string[]> {
  const names =
    scheduler === "sh" || scheduler === "mh"
      ? [`${scheduler}-fallback`, `${scheduler}-port`]
      : ["flag-1", "flag-2", "flag-3"];
  return fc.subarray(names);
}

function persistenceOf(f: 4 | 6): fc.Arbitrary<EntryPersistence | undefined> {
  return fc.option(
    fc.record({
      timeoutSec: fc.constantFrom(1, 60, 360, 2_678_400),
      prefix: f === 4 ? fc.integer({ min: 1, max: 32 }) : fc.integer({ min: 1, max: 128 }),
      engine: fc.constantFrom(undefined, "sip"),
    }),
    { nil: undefined },
  );
}

/** Any service the configuration can express. */
export const service: fc.Arbitrary<ServiceEntry> = frontend.chain((front) =>
  fc.constantFrom(...SCHEDULERS).chain((scheduler) =>
    fc.record({
      frontend: fc.constant(front),
      scheduler: fc.constant(scheduler),
      flags: flagsOf(scheduler),
      onePacket: front.kind === "fwmark" || front.protocol === "udp" ? fc.boolean() : fc.constant(false),
      persistence: persistenceOf(front.kind === "fwmark" ? front.family : front.address.family),
      destinations: fc.array(destinationBelow(front), { maxLength: 6 }).map(keyed),
    }),
  ),
);

export const table: fc.Arbitrary<IpvsTable> = fc.array(service, { maxLength: 6 }).map(tableOf);

/** Two tables that have much in common, and which services are ours: those of the first, and some that only the second has. */
export const change: fc.Arbitrary<{
  readonly desired: IpvsTable;
  readonly actual: IpvsTable;
  readonly owned: ReadonlySet<ServiceKey>;
}> = fc
  .record({ shared: fc.array(service, { maxLength: 4 }), desired: table, other: table })
  .chain(({ shared, desired, other }) => {
    const actual = tableOf([...shared, ...other.values()]);
    const both = tableOf([...desired.values(), ...shared]);
    return fc.record({
      desired: mutated(both),
      actual: fc.constant(actual),
      owned: fc.subarray([...actual.keys()]).map((keys) => new Set([...both.keys(), ...keys])),
    });
  });

/** The same table with other weights and servers here and there. */
function mutated(from: IpvsTable): fc.Arbitrary<IpvsTable> {
  return fc
    .tuple(...[...from.values()].map((entry) => fc.oneof(fc.constant(entry), mutatedEntry(entry))))
    .map((entries) => tableOf(entries));
}

function mutatedEntry(entry: ServiceEntry): fc.Arbitrary<ServiceEntry> {
  const kept = fc.subarray([...entry.destinations.values()]);
  return fc
    .tuple(kept, fc.array(weight, { minLength: 6, maxLength: 6 }), fc.array(destinationBelow(entry.frontend)))
    .map(([old, weights, fresh]) => {
      const reweighed = old.map((d, i) => (i % 2 === 0 ? d : { ...d, weight: weights[i]! }));
      return { ...entry, destinations: keyed([...fresh, ...reweighed]) };
    });
}

export function tableOf(entries: readonly ServiceEntry[]): IpvsTable {
  return new Map(entries.map((entry) => [serviceKey(entry.frontend), entry]));
}

export function keyed(destinations: readonly Destination[]): ReadonlyMap<DestinationKey, Destination> {
  return new Map(destinations.map((d) => [destinationKey(d.address, d.port), d]));
}
