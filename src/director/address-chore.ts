import type { HostNetwork, Interfaces, NetworkOrder } from "../kernel/interfaces.ts";
import { parseAddress } from "../model/address.ts";
import type { Config } from "../model/config.ts";
import type { OwnAddress } from "../policy/intent.ts";
import type { WantedAddresses } from "../policy/vips.ts";
import type { Chore, Item, Look } from "./upkeep.ts";

/** Which addresses on which interface are ours to take off. */
export interface OwnAddresses {
  list(): readonly OwnAddress[];
  remember(addresses: readonly OwnAddress[]): Promise<void>;
}

export interface AddressChoreOptions {
  readonly vips: () => Config["vips"];
  readonly mayWrite: () => boolean;
  /** undefined: not known before the table was read. */
  readonly wanted: () => WantedAddresses | undefined;
  readonly interfaces: Interfaces;
  readonly own: OwnAddresses;
}

/** Keeps the services' addresses on an interface. What is on it and stands in no service of ours is nobody of ours, unless we once put it there; and an
 *  address that another interface has is left to whoever put it there. Without `vips` in the file nothing is touched, what is remembered included. */
export function addressChore({ vips, mayWrite, wanted, interfaces, own }: AddressChoreOptions): Chore {
  const isOwn = (device: string, address: string) =>
    own.list().some((mine) => mine.device === device && mine.address === address);

  return {
    name: "vips",
    async look(signal) {
      const settings = vips();
      const want = wanted();
      if (settings === undefined || want === undefined) return { items: [], troubles: [] };
      const network = await interfaces.read(signal);
      const { device } = settings;
      const compared = compare(device, want, network, own.list());
      // What a service has and is there already is taken for ours from now on, as its entries in the table are.
      const adopted = compared.present
        .filter((address) => !isOwn(device, address))
        .map((address) => ({ device, address }));
      const kept = own.list().filter((mine) => !compared.forgotten.includes(mine));
      if (mayWrite() && (adopted.length > 0 || kept.length < own.list().length))
        await own.remember([...kept, ...adopted]);
      return compared;
    },
    async put(items, signal) {
      const orders = new Map(items.flatMap((item) => ordersOf(item).map((order) => [order, item.key] as const)));
      const coming = items
        .flatMap((item) => placeIn(item.key))
        .filter(({ device, address }) => !isOwn(device, address));
      // Before they are there: after a crash nobody would know whose they are.
      if (coming.length > 0) await own.remember([...own.list(), ...coming]);
      const refused = await interfaces.order(
        [...orders.keys()].sort((a, b) => TURN[a.op] - TURN[b.op]),
        signal,
      );
      return new Map([...refused].map(([order, reason]) => [orders.get(order)!, reason]));
    },
  };
}

/** The interface first; an address that moves from one to the other is never away. */
const TURN = { "make-dummy": 0, "bring-up": 1, "add-address": 2, "remove-address": 3 } as const;

const THERE = "there";
const AWAY = "not there";

interface Compared extends Look {
  /** Wanted ones that are where they belong. */
  readonly present: readonly string[];
  /** Remembered ones that are neither wanted nor there. */
  readonly forgotten: readonly OwnAddress[];
}

/** What is and what should be, by the texts of addresses. */
export function compare(
  device: string,
  { wanted, withdrawn }: WantedAddresses,
  network: HostNetwork,
  own: readonly OwnAddress[],
): Compared {
  const items: Item[] = [];
  const troubles: string[] = [];
  const present: string[] = [];
  const places = new Map<string, readonly { readonly device: string; readonly prefix: number }[]>();
  for (const { address, ...place } of network.addresses)
    places.set(address.text, [...(places.get(address.text) ?? []), place]);
  const isSingle = (address: string, prefix: number) => prefix === (address.includes(":") ? 128 : 32);
  const isAt = (at: string, address: string) =>
    places.get(address)?.some((p) => p.device === at && isSingle(address, p.prefix)) ?? false;
  const mine = (at: string, address: string) => own.some((o) => o.device === at && o.address === address);

  if (wanted.size > 0) items.push(deviceItem(device, network));
  for (const [address, { services }] of wanted) {
    const key = `${address} on ${device}`;
    const elsewhere = (places.get(address) ?? []).filter(
      (p) => !(isSingle(address, p.prefix) && (p.device === device || mine(p.device, address))),
    );
    const there = isAt(device, address);
    if (there) present.push(address);
    for (const place of elsewhere)
      troubles.push(
        `${address} is on ${place.device} as /${place.prefix}${there ? " too" : ""}: ${there ? "" : `not put on ${device}, and `}left alone there; take it off, or leave vips out`,
      );
    if (there || elsewhere.length === 0)
      items.push({
        key,
        want: THERE,
        have: there ? THERE : AWAY,
        why: services.length > 0 ? services.join(", ") : undefined,
      });
  }
  for (const [address, { services }] of withdrawn) {
    const have = isAt(device, address) ? THERE : AWAY;
    items.push({ key: `${address} on ${device}`, want: AWAY, have, why: `quorum lost: ${services.join(", ")}` });
  }
  const forgotten: OwnAddress[] = [];
  for (const place of own) {
    if (place.device === device && (wanted.has(place.address) || withdrawn.has(place.address))) continue;
    const key = `${place.address} on ${place.device}`;
    if (isAt(place.device, place.address))
      items.push({ key, want: AWAY, have: THERE, why: "no service has it here any more" });
    else forgotten.push(place);
  }
  return { items, troubles, present, forgotten };
}

function deviceItem(name: string, { devices }: HostNetwork): Item {
  const device = devices.get(name);
  const key = `interface ${name}`;
  if (device === undefined) return { key, want: "up", have: "missing" };
  // Whether somebody's real interface is up is not ours to decide.
  return { key, want: "up", have: device.dummy && !device.up ? "down" : "up" };
}

function ordersOf({ key, want, have }: Item): readonly NetworkOrder[] {
  const [, name] = /^interface (.*)$/.exec(key) ?? [];
  if (name !== undefined) {
    const up = { op: "bring-up", device: name } as const;
    return have === "missing" ? [{ op: "make-dummy", device: name }, up] : [up];
  }
  return placeIn(key).map(({ device, address }) => ({
    op: want === THERE ? "add-address" : "remove-address",
    device,
    address: parseAddress(address)!,
  }));
}

/** `192.0.2.10 on ipvs0`. */
function placeIn(key: string): readonly OwnAddress[] {
  const [, address, device] = /^(\S+) on (\S+)$/.exec(key) ?? [];
  return address === undefined || device === undefined ? [] : [{ device, address }];
}
