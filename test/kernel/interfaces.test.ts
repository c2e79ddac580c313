import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { ipInterfaces, memoryInterfaces, type NetworkOrder, parseInterfaces } from "../../src/kernel/interfaces.ts";
import { parseAddress } from "../../src/model/address.ts";
import { keepsAddresses } from "./interfaces-contract.ts";

const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), "director-ip-"));
after(() => rmSync(folder, { recursive: true }));
let scripts = 0;

/** A program that stands for ip(8). */
function program(script: string): string {
  const path = join(folder, `ip-${scripts++}`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** As iproute2 6.1 prints it, less what nobody reads. */
const LISTED = `[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"link_type":"loopback",
"addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo","valid_life_time":4294967295}]},
{"ifindex":3,"ifname":"ipvs0","flags":["BROADCAST","NOARP"],"operstate":"DOWN","linkinfo":{"info_kind":"dummy"},
"addr_info":[{"family":"inet","local":"192.0.2.1","prefixlen":32,"scope":"global","label":"ipvs0"},
{"family":"inet6","local":"2001:db8:0:0::1","prefixlen":128,"scope":"global","nodad":true},{"family":"inet","scope":"x"}]},
{"ifindex":4,"ifname":"eth0","flags":["BROADCAST","UP"],"linkinfo":{"info_kind":"veth"},"addr_info":[]},{},7]`;

describe("ip -details -json address show", () => {
  test("gives devices with their state, and addresses with their networks", () => {
    const { devices, addresses } = parseInterfaces(LISTED);
    assert.deepEqual(
      [...devices.values()].map(({ name, up, dummy }) => `${name} ${up ? "up" : "down"}${dummy ? " dummy" : ""}`),
      ["lo up", "ipvs0 down dummy", "eth0 up"],
    );
    assert.deepEqual(
      addresses.map(({ device, address, prefix }) => `${device} ${address.text}/${prefix}`),
      ["lo 127.0.0.1/8", "ipvs0 192.0.2.1/32", "ipvs0 2001:db8::1/128"],
    );
  });
  test("of a machine without any is empty", () => assert.equal(parseInterfaces("").devices.size, 0));
  test("that is something else is no network without addresses", () => {
    for (const text of ["{}", "Usage: ip", "null"]) assert.throws(() => parseInterfaces(text));
  });
});

const add = (text: string, device = "ipvs0"): NetworkOrder => ({
  op: "add-address",
  device,
  address: parseAddress(text)!,
});

describe("behind ip(8)", () => {
  test("orders go in one batch, in turn, as single addresses; IPv6 without asking for duplicates", async () => {
    const seen = join(folder, "batch");
    const ip = ipInterfaces({ command: program(`echo "$@" >'${seen}'; cat >>'${seen}'`), timeoutMs: 20_000 });
    const refused = await ip.order(
      [
        { op: "make-dummy", device: "ipvs0" },
        { op: "bring-up", device: "ipvs0" },
        add("192.0.2.1"),
        add("2001:db8::1"),
        { op: "remove-address", device: "old0", address: parseAddress("192.0.2.9")! },
      ],
      never,
    );
    assert.equal(refused.size, 0);
    assert.deepEqual(readFileSync(seen, "utf8").trim().split("\n"), [
      "-force -batch -",
      "link add ipvs0 type dummy",
      "link set ipvs0 up",
      "address add 192.0.2.1/32 dev ipvs0",
      "address add 2001:db8::1/128 dev ipvs0 nodad",
      "address del 192.0.2.9/32 dev old0",
    ]);
  });

  test("each refusal belongs to its line", async () => {
    const words = "RTNETLINK answers: File exists\nCommand failed -:2\nError: a\nb\nCommand failed -:3";
    const ip = ipInterfaces({
      command: program(`cat >/dev/null; printf '${words.replaceAll("\n", "\\n")}\\n' >&2; exit 1`),
      timeoutMs: 20_000,
    });
    const orders = [add("192.0.2.1"), add("192.0.2.2"), add("192.0.2.3"), add("192.0.2.4")];
    assert.deepEqual(
      [...(await ip.order(orders, never))].map(([order, reason]) => [orders.indexOf(order), reason]),
      [
        [1, "ip address add 192.0.2.2/32 dev ipvs0: RTNETLINK answers: File exists"],
        [2, "ip address add 192.0.2.3/32 dev ipvs0: Error: a; b"],
      ],
    );
  });

  test("a batch that fails without naming a line failed as a whole", async () => {
    const ip = ipInterfaces({
      command: program("cat >/dev/null; echo 'no such option' >&2; exit 255"),
      timeoutMs: 20_000,
    });
    assert.deepEqual(
      [...(await ip.order([add("192.0.2.1")], never)).values()],
      ["ip ended with exit code 255: no such option"],
    );
  });

  test("nothing to do runs nothing", async () => {
    assert.equal((await ipInterfaces({ command: "/nonexistent/ip", timeoutMs: 20_000 }).order([], never)).size, 0);
  });

  test("where it is missing, hangs or fails the words say what to do", async () => {
    const read = (command: string, timeoutMs = 20_000) => ipInterfaces({ command, timeoutMs }).read(never);
    await assert.rejects(read("/nonexistent/ip"), /cannot run \/nonexistent\/ip.*install iproute2, or leave out vips/);
    await assert.rejects(read(program("exec sleep 60"), 200), /did not end within 200 ms and was killed/);
    await assert.rejects(
      read(program("echo 'Cannot open netlink socket' >&2; exit 1")),
      /exit code 1: Cannot open netlink socket/,
    );
  });
});

test("in memory: what was ordered is there, and what cannot be is refused in the kernel's words", () =>
  keepsAddresses(memoryInterfaces(), "ipvs0"));
