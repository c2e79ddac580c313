import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { flushKept } from "../../src/director/flush.ts";
import { memoryInterfaces } from "../../src/kernel/interfaces.ts";
import { memorySettings } from "../../src/kernel/ipvs-settings.ts";
import { parseAddress } from "../../src/model/address.ts";
import { EMPTY_INTENT } from "../../src/policy/intent.ts";
import { memoryStore } from "../../src/state/store.ts";

const never = new AbortController().signal;
const at = (device: string, text: string, prefix = text.includes(":") ? 128 : 32) => ({
  device,
  address: parseAddress(text)!,
  prefix,
});

/** Ours are 192.0.2.1, 2001:db8::1 and the master; the rest is others'. */
async function world() {
  const devices = new Map([["ipvs0", { name: "ipvs0", up: true, dummy: true }]]);
  const addresses = [
    at("ipvs0", "192.0.2.1"),
    at("ipvs0", "2001:db8::1"),
    at("ipvs0", "192.0.2.7"),
    at("ipvs0", "192.0.2.2", 24),
  ];
  const settings = memorySettings();
  await settings.startDaemon({ role: "master", interface: "eth1", id: 7 }, never);
  await settings.startDaemon({ role: "backup", interface: "eth1", id: 7 }, never);
  const store = memoryStore();
  const kept = {
    sync: ["master" as const],
    addresses: ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map((address) => ({ device: "ipvs0", address })),
  };
  await store.save({ ...EMPTY_INTENT, kept });
  const interfaces = memoryInterfaces({ devices, addresses });
  const left = async () => [
    ...(await interfaces.read(never)).addresses.map((a) => a.address.text),
    ...(await settings.daemons(never)).map((d) => d.role),
  ];
  return { settings, interfaces, store, left };
}

const LINES = ["address 192.0.2.1 of ipvs0", "address 2001:db8::1 of ipvs0", "sync daemon master on eth1"];

describe("flush, beside the table", () => {
  test("takes off what director put there and stops what it started, and leaves what is others'", async () => {
    const w = await world();
    assert.deepEqual(await flushKept(w, w.store, false, never), { ok: true, value: LINES });
    assert.deepEqual(await w.left(), ["192.0.2.7", "192.0.2.2", "backup"]);
    const stored = await w.store.load();
    assert.ok(stored.kind === "found");
    assert.deepEqual(stored.intent.kept, { sync: [], addresses: [] });
    assert.deepEqual(await flushKept(w, w.store, false, never), { ok: true, value: [] });
  });

  test("only says so in a dry run", async () => {
    const w = await world();
    assert.deepEqual(await flushKept(w, w.store, true, never), { ok: true, value: LINES });
    assert.equal((await w.left()).length, 6);
  });

  test("that is refused says why, and remembers what is left", async () => {
    const w = await world();
    const settings = { ...w.settings, stopDaemon: () => Promise.reject(new Error("Memory allocation problem")) };
    assert.deepEqual(await flushKept({ ...w, settings }, w.store, false, never), {
      ok: false,
      error: "Memory allocation problem",
    });
    const stored = await w.store.load();
    assert.ok(stored.kind === "found" && stored.intent.kept.sync.length === 1);
  });

  test("without a record touches nothing", async () => {
    const w = await world();
    assert.deepEqual(await flushKept(w, memoryStore(), false, never), { ok: true, value: [] });
    assert.equal((await w.left()).length, 6);
  });
});
