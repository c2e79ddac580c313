import assert from "node:assert/strict";
import type { Interfaces, NetworkOrder } from "../../src/kernel/interfaces.ts";
import { parseAddress } from "../../src/model/address.ts";

const never = new AbortController().signal;
const add = (text: string, device: string): NetworkOrder => ({
  op: "add-address",
  device,
  address: parseAddress(text)!,
});

/** One thing that every machine keeps, be it in memory or the kernel's behind ip(8) (kept by test/lab/addresses.lab.ts). */
export async function keepsAddresses(interfaces: Interfaces, device: string): Promise<void> {
  const shown = async () =>
    (await interfaces.read(never)).addresses
      .filter((a) => a.device === device && !a.address.text.startsWith("fe80"))
      .map(({ address, prefix }) => `${address.text}/${prefix}`)
      .sort();
  const state = async () => (await interfaces.read(never)).devices.get(device);
  const order = async (...orders: readonly NetworkOrder[]) => [...(await interfaces.order(orders, never)).values()];
  const remove = (text: string): NetworkOrder => ({ op: "remove-address", device, address: parseAddress(text)! });

  assert.equal(await state(), undefined);
  assert.equal((await order(add("192.0.2.1", device))).length, 1, "without the interface there is no address");
  assert.deepEqual(await order({ op: "make-dummy", device }), []);
  assert.deepEqual(await state(), { name: device, up: false, dummy: true });
  assert.deepEqual(await order({ op: "bring-up", device }, add("192.0.2.1", device), add("2001:db8::1", device)), []);
  assert.deepEqual(await state(), { name: device, up: true, dummy: true });
  assert.deepEqual(await shown(), ["192.0.2.1/32", "2001:db8::1/128"]);
  const again = await order(
    add("192.0.2.1", device),
    remove("192.0.2.7"),
    { op: "make-dummy", device },
    add("192.0.2.2", device),
  );
  assert.deepEqual(again, [
    `ip address add 192.0.2.1/32 dev ${device}: RTNETLINK answers: File exists`,
    `ip address del 192.0.2.7/32 dev ${device}: RTNETLINK answers: Cannot assign requested address`,
    `ip link add ${device} type dummy: RTNETLINK answers: File exists`,
  ]);
  assert.deepEqual(await order(remove("192.0.2.1"), remove("2001:db8::1")), []);
  assert.deepEqual(await shown(), ["192.0.2.2/32"]);
}
