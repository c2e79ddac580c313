import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NewEvent } from "../../src/director/events.ts";
import { type Chore, createUpkeep, type Upkeep } from "../../src/director/upkeep.ts";
import { isKnownEvent } from "../../src/model/event-words.ts";
import { type FakeClock, fakeClock } from "../support/fake-clock.ts";

/** A shelf on which things stand, kept as a list wants it. */
interface Shelf {
  readonly clock: FakeClock;
  readonly upkeep: Upkeep;
  readonly wanted: Map<string, string>;
  readonly things: Map<string, string>;
  /** Things that cannot be moved, and why; an empty reason: nothing is said. */
  readonly stuck: Map<string, string>;
  /** Every call fails with this. */
  broken: string | undefined;
  held: string | undefined;
  drift: "repair" | "report";
  looks: number;
  puts: number;
  readonly events: NewEvent[];
  said(severity: NewEvent["severity"]): readonly string[];
  problems(): readonly string[];
  end(): Promise<void>;
}

function shelf(wanted: Readonly<Record<string, string>>, things: Readonly<Record<string, string>> = {}): Shelf {
  const clock = fakeClock();
  const ending = new AbortController();
  const chore: Chore = {
    name: "shelf",
    async look() {
      self.looks++;
      if (self.broken !== undefined) throw new Error(self.broken);
      const items = [...self.wanted].map(([key, want]) => ({ key, want, have: self.things.get(key) ?? "gone" }));
      return { items, troubles: self.things.has("cat") ? ["a cat is on it"] : [] };
    },
    async put(items) {
      self.puts++;
      for (const { key, want } of items) if (!self.stuck.has(key)) self.things.set(key, want);
      return new Map([...self.stuck].filter(([, reason]) => reason !== ""));
    },
  };
  const events: NewEvent[] = [];
  const upkeep = createUpkeep({
    clock,
    chore,
    settings: () => ({ held: self.held, drift: self.drift, resync: 30_000 }),
    record: (event) => void events.push(event),
  });
  const self: Shelf = {
    clock,
    upkeep,
    wanted: new Map(Object.entries(wanted)),
    things: new Map(Object.entries(things)),
    stuck: new Map(),
    broken: undefined,
    held: undefined,
    drift: "repair",
    looks: 0,
    puts: 0,
    events,
    said: (severity) => events.filter((event) => event.severity === severity).map(({ message }) => message),
    problems: () => upkeep.problems().map(({ severity, message }) => `${severity}: ${message}`),
    async end() {
      ending.abort();
      await running;
      assert.equal(clock.armed(), 0);
    },
  };
  const running = upkeep.run(ending.signal);
  return self;
}

describe("what is kept beside the table", () => {
  test("is put right at once, told once, and not written again while it stands", async () => {
    const s = shelf({ jug: "left", cup: "right" }, { cup: "right" });
    await s.clock.advance(0);
    assert.deepEqual(
      [...s.things],
      [
        ["cup", "right"],
        ["jug", "left"],
      ],
    );
    await s.clock.advance(120_000);
    assert.equal(s.puts, 1);
    assert.deepEqual(s.said("info"), ["shelf: jug: gone -> left"]);
    assert.deepEqual(s.problems(), []);
    await s.end();
  });

  test("follows a new wish when it is woken, which is no drift", async () => {
    const s = shelf({ jug: "left" });
    await s.clock.advance(0);
    s.wanted.set("jug", "right");
    s.upkeep.wake();
    await s.clock.advance(0);
    assert.equal(s.things.get("jug"), "right");
    assert.deepEqual(s.said("warning"), []);
    await s.end();
  });

  test("is repaired when somebody else changes it, at the next look, with the words of a drift", async () => {
    const s = shelf({ jug: "left" });
    await s.clock.advance(0);
    s.things.set("jug", "down");
    await s.clock.advance(29_000);
    assert.equal(s.things.get("jug"), "down");
    await s.clock.advance(1_000);
    assert.equal(s.things.get("jug"), "left");
    assert.deepEqual(s.said("warning"), [
      "shelf: jug: drift: somebody else made it down (ours: left); put back. Change director.conf and `director reload` instead.",
    ]);
    await s.end();
  });

  test("is only reported where drift is only reported, once, until the wish changes", async () => {
    const s = shelf({ jug: "left" });
    s.drift = "report";
    await s.clock.advance(0);
    s.things.set("jug", "down");
    await s.clock.advance(90_000);
    assert.equal(s.things.get("jug"), "down");
    assert.deepEqual(s.said("warning"), [
      "shelf: jug: drift: somebody else made it down (ours: left); left so (ipvs.drift: report)",
    ]);
    assert.deepEqual(s.problems(), ["warning: shelf: drift: somebody else makes jug down (ours: left), left alone"]);
    s.wanted.set("jug", "right");
    s.upkeep.wake();
    await s.clock.advance(0);
    assert.equal(s.things.get("jug"), "right");
    assert.deepEqual(s.problems(), []);
    await s.end();
  });

  test("is let be for 5m after three repairs in 5m, loudly, and taken up again then", async () => {
    const s = shelf({ jug: "left", cup: "right" });
    await s.clock.advance(0);
    for (let i = 0; i < 4; i++) {
      s.things.set("jug", `down ${i}`);
      await s.clock.advance(30_000);
    }
    assert.equal(s.things.get("jug"), "down 3");
    assert.equal(s.said("warning").length, 3);
    assert.match(s.said("error").join(), /jug: drift: .* repaired three times in 5m, left alone for 5m/);
    assert.deepEqual(s.problems(), [
      "error: shelf: drift-fight: somebody else makes jug down 3 (ours: left), left alone",
    ]);
    s.things.delete("cup");
    await s.clock.advance(30_000);
    assert.equal(s.things.get("cup"), "right", "nothing else is let be");
    await s.clock.advance(300_000);
    assert.equal(s.things.get("jug"), "left");
    assert.deepEqual(s.problems(), []);
    const drifts = s.events.filter((event) => event.kind === "drift");
    assert.ok(drifts.every(isKnownEvent));
    assert.deepEqual(
      drifts.slice(0, 4).map((event) => event.to),
      ["repaired", "repaired", "repaired", "fight"],
    );
    await s.end();
  });

  test("that is refused is tried again with growing pauses, told once, and holds up nothing else", async () => {
    const s = shelf({ jug: "left", cup: "right" });
    s.stuck.set("jug", "nailed down");
    await s.clock.advance(0);
    assert.equal(s.things.get("cup"), "right");
    assert.deepEqual(s.problems(), ["error: shelf: jug cannot be made left: nailed down"]);
    await s.clock.advance(63_000);
    assert.equal(s.puts, 7, "after 1, 2, 4, 8, 16 and 32 seconds");
    assert.equal(s.said("error").length, 1);
    s.wanted.set("jar", "middle");
    s.upkeep.wake();
    await s.clock.advance(0);
    assert.equal(s.things.get("jar"), "middle");
    s.stuck.clear();
    await s.clock.advance(60_000);
    assert.equal(s.things.get("jug"), "left");
    assert.deepEqual(s.problems(), []);
    assert.deepEqual(s.said("warning"), []);
    await s.end();
  });

  test("that does not happen though nothing is said is a refusal as well", async () => {
    const s = shelf({ jug: "left" });
    s.stuck.set("jug", "");
    await s.clock.advance(0);
    assert.deepEqual(s.problems(), [
      "error: shelf: jug cannot be made left: it is still gone, though nothing was said",
    ]);
    s.wanted.set("jug", "right");
    s.stuck.clear();
    s.upkeep.wake();
    await s.clock.advance(0);
    assert.equal(s.things.get("jug"), "right", "another wish does not wait for the pause of the one before");
    await s.end();
  });

  test("that cannot be looked at is a problem, told once, tried again, and nothing found then is taken for drift", async () => {
    const s = shelf({ jug: "left" });
    await s.clock.advance(0);
    s.broken = "the light is out";
    await s.clock.advance(100_000);
    assert.deepEqual(s.problems(), ["error: shelf: the light is out"]);
    assert.equal(s.said("error").length, 1);
    s.things.set("jug", "down");
    s.broken = undefined;
    await s.clock.advance(60_000);
    assert.equal(s.things.get("jug"), "left");
    assert.deepEqual(s.said("warning"), []);
    assert.deepEqual(s.problems(), []);
    await s.end();
  });

  test("is shown and not written while somebody wants nothing written, and written when that is over", async () => {
    const s = shelf({ jug: "left" }, { jug: "down" });
    s.held = "observe mode";
    await s.clock.advance(60_000);
    assert.equal(s.puts, 0);
    assert.deepEqual(s.problems(), ["warning: shelf: observe mode: jug is down, should be left"]);
    s.held = undefined;
    s.upkeep.wake();
    await s.clock.advance(0);
    assert.equal(s.things.get("jug"), "left");
    assert.deepEqual(s.problems(), []);
    await s.end();
  });

  test("what stands in the way is a problem for as long as it does", async () => {
    const s = shelf({ jug: "left" }, { cat: "asleep" });
    await s.clock.advance(90_000);
    assert.deepEqual(s.problems(), ["error: shelf: a cat is on it"]);
    assert.equal(s.said("error").length, 1);
    s.things.delete("cat");
    await s.clock.advance(30_000);
    assert.deepEqual(s.problems(), []);
    await s.end();
  });

  test("looks once per resync where nothing happens", async () => {
    const s = shelf({});
    await s.clock.advance(300_000);
    assert.equal(s.looks, 11);
    await s.end();
  });
});
