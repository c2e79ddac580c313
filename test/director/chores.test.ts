import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addressChore, compare } from "../../src/director/address-chore.ts";
import { syncChore, timeoutsChore } from "../../src/director/chores.ts";
import type { Chore } from "../../src/director/upkeep.ts";
import type { SyncRole } from "../../src/ipvs/sync-daemons.ts";
import { type HostNetwork, type Interfaces, memoryInterfaces } from "../../src/kernel/interfaces.ts";
import { memorySettings } from "../../src/kernel/ipvs-settings.ts";
import { parseAddress } from "../../src/model/address.ts";
import type { Config } from "../../src/model/config.ts";
import type { OwnAddress } from "../../src/policy/intent.ts";
import type { WantedAddresses } from "../../src/policy/vips.ts";

const never = new AbortController().signal;

/** One turn of the loop: what is wrong is put right. Returns what was said against it. */
async function keep(chore: Chore): Promise<readonly string[]> {
  const { items } = await chore.look(never);
  const wrong = items.filter((item) => item.want !== item.have);
  const refused = wrong.length === 0 ? new Map<string, string>() : await chore.put(wrong, never);
  return [...refused].map(([key, reason]) => `${key}: ${reason}`);
}

async function inOrder(chore: Chore): Promise<void> {
  const { items } = await chore.look(never);
  assert.deepEqual(
    items.filter((item) => item.want !== item.have),
    [],
  );
}

describe("timeouts", () => {
  test("only those of the file are compared and written", async () => {
    const settings = memorySettings();
    let wanted: Config["ipvs"]["timeouts"] = { tcp: undefined, tcpFin: 60, udp: undefined };
    const chore = timeoutsChore(() => wanted, settings);
    await keep(chore);
    assert.deepEqual(await settings.timeouts(never), { tcp: 900, tcpFin: 60, udp: 300 });
    wanted = { tcp: 3600, tcpFin: 60, udp: 30 };
    await settings.setTimeouts({ tcpFin: 61, udp: 30 }, never);
    const { items } = await chore.look(never);
    assert.deepEqual(
      items.filter((i) => i.want !== i.have).map((i) => `${i.key} ${i.have} ${i.want}`),
      ["tcp 900s 3600s", "tcp_fin 61s 60s"],
    );
    await keep(chore);
    await inOrder(chore);
    wanted = undefined;
    assert.deepEqual((await chore.look(never)).items, [], "what was set once is left as it is");
  });
});

describe("sync daemons", () => {
  function world() {
    const settings = memorySettings();
    let remembered: readonly SyncRole[] = [];
    const state = { sync: undefined as Config["ipvs"]["sync"] };
    const own = {
      list: () => remembered,
      async remember(roles: readonly SyncRole[]) {
        remembered = roles;
      },
    };
    const chore = syncChore(
      () => state.sync,
      settings,
      own,
      () => true,
    );
    const running = async () => (await settings.daemons(never)).map((d) => `${d.role} ${d.interface} ${d.id}`).sort();
    return { settings, state, chore, running, own: () => remembered };
  }

  test("one or both are started, started anew with other parameters, and stopped when the file has them no more", async () => {
    const w = world();
    const rows: readonly [sync: Config["ipvs"]["sync"], running: readonly string[]][] = [
      [{ role: "master", interface: "eth1", id: 7 }, ["master eth1 7"]],
      [{ role: "master", interface: "eth1", id: 8 }, ["master eth1 8"]],
      [{ role: "both", interface: "eth2", id: 8 }, ["backup eth2 8", "master eth2 8"]],
      [{ role: "backup", interface: "eth2", id: 8 }, ["backup eth2 8"]],
      [undefined, []],
    ];
    for (const [sync, running] of rows) {
      w.state.sync = sync;
      assert.deepEqual(await keep(w.chore), []);
      assert.deepEqual(await w.running(), running);
      await inOrder(w.chore);
    }
    assert.deepEqual(w.own(), []);
  });

  test("one that somebody else started is left alone, also when it is as the file wants it", async () => {
    const w = world();
    await w.settings.startDaemon({ role: "backup", interface: "eth9", id: 1 }, never);
    await w.settings.startDaemon({ role: "master", interface: "eth1", id: 7 }, never);
    w.state.sync = { role: "master", interface: "eth1", id: 7 };
    await keep(w.chore);
    assert.deepEqual(w.own(), []);
    w.state.sync = undefined;
    await keep(w.chore);
    assert.deepEqual(await w.running(), ["backup eth9 1", "master eth1 7"]);
  });

  test("one of somebody else's with other parameters is taken over, and then ours to stop", async () => {
    const w = world();
    await w.settings.startDaemon({ role: "master", interface: "eth9", id: 1 }, never);
    w.state.sync = { role: "master", interface: "eth1", id: 7 };
    await keep(w.chore);
    assert.deepEqual([await w.running(), w.own()], [["master eth1 7"], ["master"]]);
    w.state.sync = undefined;
    await keep(w.chore);
    assert.deepEqual([await w.running(), w.own()], [[], []]);
  });

  test("ours that somebody stopped before the file lost it is forgotten", async () => {
    const w = world();
    w.state.sync = { role: "master", interface: "eth1", id: 7 };
    await keep(w.chore);
    await w.settings.stopDaemon("master", never);
    w.state.sync = undefined;
    assert.deepEqual(await keep(w.chore), []);
    assert.deepEqual(w.own(), []);
  });
});

const network = (devices: string, ...addresses: readonly string[]): HostNetwork => ({
  devices: new Map(
    devices.split(" ").map((text) => {
      const [name = "", state] = text.split("=");
      return [name, { name, up: state !== "down", dummy: !name.startsWith("eth") }];
    }),
  ),
  addresses: addresses.map((line) => {
    const [device = "", text = ""] = line.split(" ");
    const [address = "", prefix] = text.split("/");
    return { device, address: parseAddress(address)!, prefix: Number(prefix ?? (address.includes(":") ? 128 : 32)) };
  }),
});

const wants = (wanted: string, withdrawn = ""): WantedAddresses => {
  const map = (list: string) =>
    new Map(
      list
        .split(" ")
        .filter(Boolean)
        .map((text) => [text, { address: parseAddress(text)!, services: ["web"] }]),
    );
  return { wanted: map(wanted), withdrawn: map(withdrawn) };
};

const owns = (...lines: readonly string[]): readonly OwnAddress[] =>
  lines.map((line) => {
    const [device = "", address = ""] = line.split(" ");
    return { device, address };
  });

describe("addresses: what is and what should be", () => {
  interface Row {
    readonly name: string;
    readonly wants: WantedAddresses;
    readonly network: HostNetwork;
    readonly own?: readonly OwnAddress[];
    /** What is to be done. */
    readonly wrong: readonly string[];
    readonly troubles?: readonly string[];
    readonly forgotten?: readonly OwnAddress[];
  }
  const rows: readonly Row[] = [
    {
      name: "nothing is there yet: the interface and the addresses come",
      wants: wants("192.0.2.1 2001:db8::1"),
      network: network("eth0", "eth0 10.0.0.1/24"),
      wrong: [
        "interface ipvs0: missing -> up",
        "192.0.2.1 on ipvs0: not there -> there",
        "2001:db8::1 on ipvs0: not there -> there",
      ],
    },
    {
      name: "all is there",
      wants: wants("192.0.2.1"),
      network: network("ipvs0", "ipvs0 192.0.2.1", "ipvs0 fe80::1/64"),
      wrong: [],
    },
    {
      name: "somebody set the interface down",
      wants: wants("192.0.2.1"),
      network: network("ipvs0=down", "ipvs0 192.0.2.1"),
      wrong: ["interface ipvs0: down -> up"],
    },
    {
      name: "addresses of others on the interface stay",
      wants: wants(""),
      network: network("ipvs0", "ipvs0 192.0.2.77"),
      own: owns("ipvs0 192.0.2.1"),
      wrong: [],
      forgotten: owns("ipvs0 192.0.2.1"),
    },
    {
      name: "one that we put there and no service has any more goes, from another interface too",
      wants: wants("192.0.2.1"),
      network: network("ipvs0 old0", "ipvs0 192.0.2.1", "ipvs0 192.0.2.2", "old0 192.0.2.3"),
      own: owns("ipvs0 192.0.2.1", "ipvs0 192.0.2.2", "old0 192.0.2.3"),
      wrong: ["192.0.2.2 on ipvs0: there -> not there", "192.0.2.3 on old0: there -> not there"],
    },
    {
      name: "one that lives elsewhere is refused",
      wants: wants("192.0.2.1 192.0.2.2"),
      network: network("ipvs0 eth0", "eth0 192.0.2.1/24", "ipvs0 192.0.2.2"),
      wrong: [],
      troubles: ["192.0.2.1 is on eth0 as /24: not put on ipvs0, and left alone there; take it off, or leave vips out"],
    },
    {
      name: "so is one that is on the interface, but with its network",
      wants: wants("192.0.2.1"),
      network: network("ipvs0", "ipvs0 192.0.2.1/24"),
      wrong: [],
      troubles: [
        "192.0.2.1 is on ipvs0 as /24: not put on ipvs0, and left alone there; take it off, or leave vips out",
      ],
    },
    {
      name: "one that somebody put elsewhere besides stays with us, and is told",
      wants: wants("192.0.2.1"),
      network: network("ipvs0 eth0", "ipvs0 192.0.2.1", "eth0 192.0.2.1"),
      wrong: [],
      troubles: ["192.0.2.1 is on eth0 as /32 too: left alone there; take it off, or leave vips out"],
    },
    {
      name: "another interface in the file: ours move there",
      wants: wants("192.0.2.1"),
      network: network("ipvs0 old0", "old0 192.0.2.1"),
      own: owns("old0 192.0.2.1"),
      wrong: ["192.0.2.1 on ipvs0: not there -> there", "192.0.2.1 on old0: there -> not there"],
    },
    {
      name: "a withdrawn one goes, whether we remember it or not, and is remembered",
      wants: wants("192.0.2.1", "192.0.2.2 192.0.2.3"),
      network: network("ipvs0", "ipvs0 192.0.2.1", "ipvs0 192.0.2.2"),
      own: owns("ipvs0 192.0.2.3"),
      wrong: ["192.0.2.2 on ipvs0: there -> not there"],
    },
    {
      name: "a withdrawn one that lives elsewhere is nobody of ours",
      wants: wants("", "192.0.2.2"),
      network: network("ipvs0 eth0", "eth0 192.0.2.2"),
      wrong: [],
    },
  ];
  for (const { name, wants, network, own = [], wrong, troubles = [], forgotten = [] } of rows)
    test(name, () => {
      const found = compare("ipvs0", wants, network, own);
      assert.deepEqual(
        found.items.filter((i) => i.want !== i.have).map((i) => `${i.key}: ${i.have} -> ${i.want}`),
        wrong,
      );
      assert.deepEqual(found.troubles, troubles);
      assert.deepEqual(found.forgotten, forgotten);
    });

  for (const { name, wants, network, own = [] } of rows)
    test(`once kept it is in order, and nothing of others has changed: ${name}`, async () => {
      const interfaces = memoryInterfaces(network);
      let remembered = own;
      const chore = addressChore({
        vips: () => ({ device: "ipvs0", withdraw: true }),
        mayWrite: () => true,
        wanted: () => wants,
        interfaces,
        own: {
          list: () => remembered,
          async remember(list) {
            remembered = list;
          },
        },
      });
      assert.deepEqual(await keep(chore), []);
      await inOrder(chore);
      const after = (await interfaces.read(never)).addresses;
      const isOurs = (a: { readonly device: string; readonly address: { readonly text: string } }) =>
        [...own, ...remembered].some((o) => o.device === a.device && o.address === a.address.text) ||
        (a.device === "ipvs0" && wants.withdrawn.has(a.address.text));
      const foreign = network.addresses.filter((a) => !isOurs(a));
      for (const address of foreign)
        assert.ok(
          after.some(
            (a) =>
              a.device === address.device && a.address.text === address.address.text && a.prefix === address.prefix,
          ),
        );
      for (const place of remembered)
        assert.ok(
          wants.wanted.has(place.address) ||
            wants.withdrawn.has(place.address) ||
            after.some((a) => a.device === place.device),
        );
    });
});

describe("addresses: whose they are", () => {
  function world(network_: HostNetwork, mayWrite = true) {
    const log: string[] = [];
    const interfaces = memoryInterfaces(network_);
    const self: {
      remembered: readonly OwnAddress[];
      wants: WantedAddresses | undefined;
      vips: Config["vips"];
      readonly log: readonly string[];
      readonly interfaces: Interfaces;
      readonly chore: Chore;
    } = {
      remembered: [],
      wants: wants("192.0.2.1"),
      vips: { device: "ipvs0", withdraw: true },
      log,
      interfaces,
      chore: addressChore({
        vips: () => self.vips,
        mayWrite: () => mayWrite,
        wanted: () => self.wants,
        interfaces: {
          read: interfaces.read,
          order(orders, signal) {
            log.push(...orders.map((o) => o.op));
            return interfaces.order(orders, signal);
          },
        },
        own: {
          list: () => self.remembered,
          async remember(list) {
            self.remembered = list;
            log.push("remember");
          },
        },
      }),
    };
    return self;
  }

  test("one is remembered before it is there: a crash in between leaves none that is nobody's", async () => {
    const w = world(network("eth0"));
    await keep(w.chore);
    assert.deepEqual(w.log, ["remember", "make-dummy", "bring-up", "add-address"]);
    assert.deepEqual(w.remembered, owns("ipvs0 192.0.2.1"));
  });

  test("one that a service has and that is there already is ours from now on", async () => {
    const w = world(network("ipvs0", "ipvs0 192.0.2.1", "ipvs0 192.0.2.5"));
    await keep(w.chore);
    assert.deepEqual(w.remembered, owns("ipvs0 192.0.2.1"));
    w.wants = wants("");
    await keep(w.chore);
    assert.deepEqual(
      (await w.interfaces.read(never)).addresses.map((a) => a.address.text),
      ["192.0.2.5"],
    );
    await w.chore.look(never);
    assert.deepEqual(w.remembered, []);
  });

  test("nothing is touched, and nothing forgotten, while the file has no vips or the table was not read yet", async () => {
    const w = world(network("ipvs0", "ipvs0 192.0.2.1"));
    await keep(w.chore);
    w.vips = undefined;
    w.wants = wants("");
    assert.deepEqual((await w.chore.look(never)).items, []);
    w.vips = { device: "ipvs0", withdraw: false };
    w.wants = undefined;
    assert.deepEqual((await w.chore.look(never)).items, []);
    assert.deepEqual(w.remembered, owns("ipvs0 192.0.2.1"));
  });

  test("who only observes takes nothing for his own", async () => {
    const w = world(network("ipvs0", "ipvs0 192.0.2.1"), false);
    await w.chore.look(never);
    assert.deepEqual(w.log, []);
  });

  test("an order that is refused is told under its address, and the others are carried out", async () => {
    const w = world(network("ipvs0"));
    w.wants = wants("192.0.2.1 192.0.2.2");
    const { items } = await w.chore.look(never);
    await w.interfaces.order([{ op: "add-address", device: "ipvs0", address: parseAddress("192.0.2.1")! }], never);
    const refused = await w.chore.put(
      items.filter((i) => i.want !== i.have),
      never,
    );
    assert.deepEqual(
      [...refused],
      [["192.0.2.1 on ipvs0", "ip address add 192.0.2.1/32 dev ipvs0: RTNETLINK answers: File exists"]],
    );
    assert.equal((await w.interfaces.read(never)).addresses.length, 2);
  });
});
