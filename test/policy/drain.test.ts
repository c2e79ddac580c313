import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ServerKey } from "../../src/model/service.ts";
import {
  askedShare,
  DEFAULT_DRAIN_POLICY,
  type Drain,
  type DrainPhase,
  type Participant,
} from "../../src/policy/drain.ts";
import { advance, command, recovered } from "../../src/policy/drain-machine.ts";
import { capacityAfter, shift } from "../../src/policy/drain-shift.ts";
import type { DrainCommand } from "../../src/policy/drain-table.ts";
import {
  at,
  drain,
  draining,
  ended,
  key,
  mono,
  paused,
  servers,
  shifting,
  stand,
  turns,
  view,
  weights,
} from "./drains.ts";

const HEALTHY = servers("old up 100", "new up 0");
const NEW_DOWN = servers("old up 100", "new down 0");
const OLD_DOWN = servers("old down 100", "new up 0");
const BOTH_DOWN = servers("old down 100", "new down 0");
const IDLE = servers("old up 100 idle", "new up 0");
const BUSY = servers("old up 100 7 connections", "new up 0");
const OLD_GONE = servers("new up 0");
const NEW_GONE = servers("old up 100");

type Servers = ReadonlyMap<ServerKey, Participant>;

describe("a drain by state and what it sees", () => {
  const rows: readonly (readonly [name: string, before: Drain, now: number, who: Servers, after: string])[] = [
    // pending
    ["a healthy new lets it begin, with its first step at once", drain(), 0, HEALTHY, "shifting 1"],
    ["it waits for a new that is down", drain(), 59_999, NEW_DOWN, "pending 0"],
    ["a new that does not come within the time: failed, nothing was touched", drain(), 60_000, NEW_DOWN, "failed 0"],
    ["an old that is down does not keep it waiting", drain(), 0, OLD_DOWN, "shifting 1"],
    ["its only new left the file: nothing to wait for", drain(), 0, NEW_GONE, "rolled-back 0"],
    // shifting
    ["not yet time for the next step", drain({ step: 3, phase: shifting() }), 59_999, HEALTHY, "shifting 3"],
    ["time for the next step", drain({ step: 3, phase: shifting() }), 60_000, HEALTHY, "shifting 4"],
    ["hours late: one step all the same", drain({ step: 3, phase: shifting() }), 36_000_000, HEALTHY, "shifting 4"],
    ["a new goes down", drain({ step: 3, phase: shifting() }), 1, NEW_DOWN, "paused new-down 3"],
    [
      "a new goes down just when a step is due: no step",
      drain({ step: 3, phase: shifting() }),
      60_000,
      NEW_DOWN,
      "paused new-down 3",
    ],
    ["an old goes down: it goes on", drain({ step: 3, phase: shifting() }), 60_000, OLD_DOWN, "shifting 4"],
    [
      "the last step: all moved, now the connections",
      drain({ step: 10, phase: shifting() }),
      1,
      HEALTHY,
      "draining 10",
    ],
    ["all olds left the file: it goes on", drain({ step: 3, phase: shifting() }), 60_000, OLD_GONE, "shifting 4"],
    ["all news left the file", drain({ step: 3, phase: shifting() }), 1, NEW_GONE, "rolled-back 3"],
    // draining
    ["connections are left", drain({ step: 10, phase: draining() }), 1, BUSY, "draining 10"],
    ["idle: done", drain({ step: 10, phase: draining() }), 1, IDLE, "done 10"],
    ["the grace is over: done all the same", drain({ step: 10, phase: draining() }), 600_000, BUSY, "done 10"],
    [
      "a new goes down while connections are waited for",
      drain({ step: 10, phase: draining() }),
      1,
      NEW_DOWN,
      "paused new-down 10",
    ],
    [
      "a new goes down as the old is idle: not done",
      drain({ step: 10, phase: draining() }),
      1,
      servers("old up 100 idle", "new down 0"),
      "paused new-down 10",
    ],
    ["all olds left the file", drain({ step: 10, phase: draining() }), 1, OLD_GONE, "done 10"],
    // paused by itself
    [
      "new-down: still down",
      drain({ step: 3, phase: paused("new-down", { allDownSince: mono(0) }) }),
      59_999,
      NEW_DOWN,
      "paused new-down 3",
    ],
    ["new-down: up again, one step back", drain({ step: 3, phase: paused("new-down") }), 1, HEALTHY, "shifting 2"],
    [
      "new-down while draining: one step back and shifting again",
      drain({ step: 10, phase: paused("new-down", { was: "draining" }) }),
      1,
      HEALTHY,
      "shifting 9",
    ],
    [
      "new-down at step 0 cannot go back further",
      drain({ step: 0, phase: paused("new-down") }),
      1,
      HEALTHY,
      "shifting 0",
    ],
    [
      "new-down: too long",
      drain({ step: 3, phase: paused("new-down", { allDownSince: mono(0) }) }),
      60_000,
      NEW_DOWN,
      "rolled-back 3",
    ],
    [
      "new-down: both sides down too long",
      drain({ step: 3, phase: paused("new-down", { allDownSince: mono(0) }) }),
      60_000,
      BOTH_DOWN,
      "rolled-back 3",
    ],
    ["new-down: the new left the file", drain({ step: 3, phase: paused("new-down") }), 1, NEW_GONE, "rolled-back 3"],
    [
      "capacity: the new goes down: from now on that is what it waits for",
      drain({ step: 3, phase: paused("capacity") }),
      1,
      NEW_DOWN,
      "paused new-down 3",
    ],
    ["capacity: enough again", drain({ step: 3, phase: paused("capacity", { left: 0 }) }), 1, HEALTHY, "shifting 4"],
    [
      "unwritable state: writable again",
      drain({ step: 3, phase: paused("state-unwritable") }),
      1,
      HEALTHY,
      "shifting 3",
    ],
    [
      "unwritable state: writable again while draining",
      drain({ step: 10, phase: paused("state-unwritable", { was: "draining" }) }),
      1,
      BUSY,
      "draining 10",
    ],
    // paused until somebody says so
    ["an operator's pause holds", drain({ step: 3, phase: paused("operator") }), 1e9, HEALTHY, "paused operator 3"],
    ["a restart's pause holds", drain({ step: 3, phase: paused("restart") }), 1e9, HEALTHY, "paused restart 3"],
    [
      "a pause for a changed file holds",
      drain({ step: 3, phase: paused("config-changed") }),
      1e9,
      HEALTHY,
      "paused config-changed 3",
    ],
    [
      "an operator's pause does not stop the clock of a failure",
      drain({ step: 3, phase: paused("operator", { allDownSince: mono(0) }) }),
      60_000,
      NEW_DOWN,
      "rolled-back 3",
    ],
    [
      "an operator's pause before the first step waits for ever",
      drain({ phase: paused("operator", { was: "pending", allDownSince: mono(0) }) }),
      1e9,
      NEW_DOWN,
      "paused operator 0",
    ],
    // the end
    ...(["done", "rolled-back", "aborted", "failed"] as const).map(
      (kind) => [`${kind} is the end`, drain({ step: 3, phase: ended(kind) }), 1e9, NEW_DOWN, `${kind} 3`] as const,
    ),
  ];
  for (const [name, before, now, who, after] of rows)
    test(`${stand(before)}: ${name}`, () => assert.equal(stand(turns(before, view(now, who))), after));

  test("the service left the file: aborted in every state that could still move, whatever it waits for", () => {
    for (const phase of ACTIVE) {
      const gone = turns(drain({ step: 3, phase }), view(1, new Map(), { serviceExists: false }));
      assert.equal(stand(gone), "aborted 3");
      assert.equal(gone.result, undefined);
    }
  });

  test("the state cannot be written: every drain stands still, and nothing ends a pause either", () => {
    for (const phase of ACTIVE)
      for (const who of [HEALTHY, NEW_DOWN, NEW_GONE, IDLE])
        for (const serviceExists of [true, false]) {
          const held = turns(drain({ step: 3, phase }), view(1e9, who, { storable: false, serviceExists }));
          assert.equal(held.phase.kind, "paused");
          assert.equal(held.step, 3);
          if (phase.kind === "paused") assert.deepEqual(held.phase, phase);
          else assert.equal(stand(held), "paused state-unwritable 3");
        }
  });
});

const ACTIVE: readonly DrainPhase[] = [
  { kind: "pending", since: mono(0) },
  shifting(),
  draining(),
  ...(["operator", "new-down", "capacity", "restart", "state-unwritable", "config-changed"] as const).map((why) =>
    paused(why),
  ),
];
const ENDED = (["done", "rolled-back", "aborted", "failed"] as const).map(ended);

describe("commands by state", () => {
  const words: readonly DrainCommand[] = ["pause", "resume", "rollback", "abort"];
  /** What each command makes of each state; ! is refused. */
  const table: Readonly<Record<string, readonly [pause: string, resume: string, rollback: string, abort: string]>> = {
    pending: ["paused operator", "!", "rolled-back", "aborted"],
    shifting: ["paused operator", "!", "rolled-back", "aborted"],
    draining: ["paused operator", "!", "rolled-back", "aborted"],
    "paused operator": ["paused operator", "shifting", "rolled-back", "aborted"],
    "paused new-down": ["paused operator", "shifting", "rolled-back", "aborted"],
    "paused capacity": ["paused operator", "shifting", "rolled-back", "aborted"],
    "paused restart": ["paused operator", "shifting", "rolled-back", "aborted"],
    "paused state-unwritable": ["paused operator", "shifting", "rolled-back", "aborted"],
    "paused config-changed": ["paused operator", "shifting", "rolled-back", "aborted"],
    done: ["!", "!", "rolled-back", "!"],
    "rolled-back": ["!", "!", "rolled-back", "!"],
    aborted: ["!", "!", "rolled-back", "aborted"],
    failed: ["!", "!", "!", "!"],
  };
  const word = (phase: DrainPhase) => stand(drain({ phase })).replace(/ 0$/, "");
  for (const phase of [...ACTIVE, ...ENDED])
    test(`${word(phase)}: ${words.map((w, i) => `${w} -> ${table[word(phase)]![i]}`).join(", ")}`, () => {
      // Everything is down, gone or unwritable: none of that may stand in the way.
      for (const seen of [
        view(1, HEALTHY),
        view(1, BOTH_DOWN),
        view(1, new Map(), { serviceExists: false, storable: false }),
      ])
        for (const [i, each] of words.entries()) {
          const result = command(drain({ step: 3, phase }), each, "because", seen);
          assert.equal(result.ok ? word(result.value.phase) : "!", table[word(phase)]![i], each);
          if (!result.ok) assert.match(result.error, /d-1/);
        }
    });

  test("pause keeps what was left of the step, resume gives it back; pausing longer changes nothing", () => {
    const held = ok(command(drain({ step: 3, phase: shifting(60_000) }), "pause", "lunch", view(20_000, HEALTHY)));
    const again = ok(command(held, "resume", "", view(5_000_000, HEALTHY)));
    assert.deepEqual(again.phase, shifting(5_040_000));
    assert.equal(again.step, 3);
  });

  test("pause while waiting for connections keeps what was left of the grace", () => {
    const held = ok(command(drain({ step: 10, phase: draining(600_000) }), "pause", "", view(200_000, BUSY)));
    const again = ok(command(held, "resume", "", view(1_000_000, BUSY)));
    assert.equal(again.phase.kind === "draining" && again.phase.graceUntil, 1_400_000);
  });

  test("pausing what is paused for another reason keeps what it goes back to", () => {
    const held = ok(
      command(
        drain({ step: 10, phase: paused("new-down", { was: "draining", left: 1_000 }) }),
        "pause",
        "",
        view(5, BUSY),
      ),
    );
    const again = ok(command(held, "resume", "", view(10, BUSY)));
    assert.equal(again.phase.kind === "draining" && again.phase.graceUntil, 1_010);
  });
});

function ok<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string }): T {
  assert.ok(result.ok, result.ok ? "" : result.error);
  return result.value;
}

describe("the failure table", () => {
  const half = drain({ step: 5, phase: shifting() });

  test("new fails at step k: its weight goes back to the olds at once, the drain pauses, and resumes at the step before", () => {
    assert.deepEqual(weights(half, HEALTHY), { old: 50, new: 50 });
    assert.deepEqual(weights(half, NEW_DOWN), { old: 100, new: 0 });
    const held = turns(half, view(1, NEW_DOWN));
    const resumed = turns(held, view(30_000, HEALTHY));
    assert.equal(stand(resumed), "shifting 4");
    assert.deepEqual(weights(resumed, HEALTHY), { old: 60, new: 40 });
    assert.equal(
      stand(turns(resumed, view(89_999, HEALTHY))),
      "shifting 4",
      "the step before is held for its whole time",
    );
    assert.equal(stand(turns(resumed, view(90_000, HEALTHY))), "shifting 5");
  });

  test("new fails and stays down: rolled back after the time for it, counted from its failure", () => {
    let present = half;
    for (const now of [1_000, 2_000, 30_000, 60_999]) present = turns(present, view(now, NEW_DOWN));
    assert.equal(stand(present), "paused new-down 5");
    present = turns(present, view(61_000, NEW_DOWN));
    assert.equal(stand(present), "rolled-back 5");
    assert.match(present.phase.kind === "rolled-back" ? present.phase.text : "", /^new down for 1m$/);
    assert.deepEqual(weights(present, HEALTHY), { old: 100, new: 0 });
  });

  test("new flaps: the time for it starts anew each time, each return costs a step", () => {
    let present = half;
    for (let flap = 0, now = 0; flap < 3; flap++, now += 100_000) {
      present = turns(present, view(now + 1, NEW_DOWN));
      present = turns(present, view(now + 59_000, NEW_DOWN));
      assert.equal(present.phase.kind, "paused");
      present = turns(present, view(now + 59_500, HEALTHY));
    }
    assert.equal(stand(present), "shifting 2");
  });

  test("one of two news fails: the other carries on at its share, the drain is paused and not rolled back", () => {
    const two = drain({ to: [key("new"), key("new2")], step: 5, phase: shifting() });
    const one = servers("old up 100", "new down 0", "new2 up 0");
    let present = turns(two, view(1, one));
    assert.deepEqual(weights(present, one), { old: 75, new: 0, new2: 25 });
    present = turns(present, view(1e8, one));
    assert.equal(stand(present), "paused new-down 5");
    // Now the other too: the time counts from here.
    const none = servers("old up 100", "new down 0", "new2 down 0");
    present = turns(present, view(1e8 + 1, none));
    present = turns(present, view(1e8 + 60_000, none));
    assert.equal(stand(present), "paused new-down 5");
    assert.equal(stand(turns(present, view(1e8 + 60_001, none))), "rolled-back 5");
    // One comes back in between: the clock of all stands still again.
    const back = turns(present, view(1e8 + 60_000, one));
    assert.equal(stand(turns(back, view(2e8, one))), "paused new-down 5");
  });

  test("old fails mid-drain: it goes on, and back up the old returns to its present share, not to its full one", () => {
    assert.deepEqual(weights(half, OLD_DOWN), { old: 0, new: 50 });
    const later = turns(half, view(60_000, OLD_DOWN));
    assert.deepEqual(weights(later, HEALTHY), { old: 40, new: 60 });
  });

  test("both sides fail: paused, and what comes back first serves", () => {
    const held = turns(half, view(1, BOTH_DOWN));
    assert.equal(stand(held), "paused new-down 5");
    assert.deepEqual(weights(held, NEW_DOWN), { old: 100, new: 0 });
    assert.deepEqual(weights(held, OLD_DOWN), { old: 0, new: 50 });
  });

  test("new is not healthy at the start: pending, then failed without having touched anything", () => {
    const waiting = turns(drain(), view(1, NEW_DOWN));
    assert.deepEqual(weights(waiting, NEW_DOWN), { old: 100, new: 0 });
    assert.deepEqual(advance(waiting, view(1, NEW_DOWN)).lookAgainAt, 60_000);
    const failed = turns(waiting, view(60_000, NEW_DOWN));
    assert.equal(stand(failed), "failed 0");
    assert.deepEqual(weights(failed, HEALTHY), { old: 100, new: 0 });
  });

  test("a third server fails: without named news the step that would leave too little waits, and goes on when it is back", () => {
    const rest = drain({ to: [], step: 3, phase: shifting() });
    const pool = servers("old up 100", "a up 100", "b up 100");
    const low = { ...rest, policy: { ...DEFAULT_DRAIN_POLICY, minCapacity: 0.6 } };
    assert.equal(stand(turns(low, view(60_000, pool))), "shifting 4");
    const third = servers("old up 100", "a down 100", "b up 100");
    // 40% moved leaves 160 of 200 healthy; 90% moved would leave 110 of 200.
    assert.equal(stand(turns(low, view(60_000, third))), "shifting 4");
    const held = turns({ ...low, step: 8 }, view(60_000, third));
    assert.equal(stand(held), "paused capacity 8");
    assert.match(
      held.phase.kind === "paused" ? held.phase.text : "",
      /^only 55% of the healthy weight would be left, below 60%$/,
    );
    assert.deepEqual(weights(held, third), { old: 20, a: 0, b: 100 }, "what was moved stays moved");
    assert.equal(stand(turns(held, view(60_001, third))), "paused capacity 8");
    assert.equal(stand(turns(held, view(60_002, pool))), "shifting 9");
  });

  test("all others of the pool fail: without named news the olds have everything again at once", () => {
    const rest = drain({ to: [], step: 7, phase: shifting() });
    const alone = servers("old up 100", "a down 100", "b down 100");
    assert.deepEqual(weights(rest, alone), { old: 100, a: 0, b: 0 });
    const held = turns(rest, view(1, alone));
    assert.equal(stand(held), "paused new-down 7");
    assert.deepEqual(weights(held, alone), { old: 100, a: 0, b: 0 });
  });

  test("reload, nothing of it changed: it goes on", () => {
    assert.equal(stand(turns(half, view(60_000, HEALTHY))), "shifting 6");
  });

  test("reload changes a participant's weight: the file wins, the share stays", () => {
    const heavier = servers("old up 200", "new up 0");
    assert.deepEqual(weights(half, heavier), { old: 100, new: 100 });
    assert.deepEqual(weights(turns(half, view(60_000, heavier)), heavier), { old: 80, new: 120 });
  });

  test("reload changed a participant's weight on the way: the result stands all the same", () => {
    const heavier = servers("old up 200 idle", "new up 0");
    const done = turns(drain({ step: 10, phase: draining() }), view(1, heavier));
    assert.equal(stand(done), "done 10");
    assert.deepEqual(weights(done, heavier), { old: 0, new: 200 });
  });

  test("reload removes an old that had not given all yet: the new has all of what it had, never nobody", () => {
    assert.deepEqual(weights(half, OLD_GONE), { new: 100 });
    let present: Drain = half;
    for (let now = 60_000; present.phase.kind === "shifting"; now += 60_000)
      present = turns(present, view(now, OLD_GONE));
    present = turns(present, view(1e7, OLD_GONE));
    assert.equal(present.phase.kind, "done");
    assert.deepEqual(weights(present, OLD_GONE), { new: 100 });
  });

  test("reload removes one of two olds: the other goes on stepwise", () => {
    const two = drain({
      from: [key("old"), key("old2")],
      configured: { [key("old")]: 100, [key("old2")]: 100, [key("new")]: 0 },
      step: 5,
      phase: shifting(),
    });
    assert.deepEqual(weights(two, servers("old up 100", "old2 up 100", "new up 0")), { old: 50, old2: 50, new: 100 });
    assert.deepEqual(weights(two, servers("old up 100", "new up 0")), { old: 50, new: 150 });
  });

  test("reload removes one of two news: paused for the changed file, its part is back with the olds", () => {
    const two = drain({ to: [key("new"), key("new2")], step: 5, phase: shifting() });
    for (const phase of ACTIVE) {
      const held = turns({ ...two, phase }, view(1, HEALTHY));
      const why = phase.kind === "paused" && ["operator", "restart"].includes(phase.why) ? phase.why : "config-changed";
      assert.equal(stand(held), `paused ${why} 5`);
      assert.deepEqual(weights(held, HEALTHY), { old: 75, new: 25 });
    }
    const resumed = ok(command(turns(two, view(1, HEALTHY)), "resume", "", view(2, HEALTHY)));
    // Who resumes has seen why it stood still: it goes on without the one that left.
    assert.deepEqual(resumed.to, ["new"]);
    assert.equal(stand(turns(resumed, view(3, HEALTHY))), "shifting 5");
    assert.deepEqual(weights(resumed, HEALTHY), { old: 50, new: 50 });
  });

  test("reload removes the only new: rolled back", () => {
    const back = turns(half, view(1, NEW_GONE));
    assert.equal(stand(back), "rolled-back 5");
    assert.deepEqual(weights(back, NEW_GONE), { old: 100 });
  });

  test("reload removes the service: the drain is aborted and leaves nothing", () => {
    assert.equal(stand(turns(half, view(1, new Map(), { serviceExists: false }))), "aborted 5");
  });

  describe("daemon restart", () => {
    for (const [name, gap, after] of [
      ["a gap of 60s resumes", 60_000, "shifting 5"],
      ["a gap of two steps resumes", 120_000, "shifting 5"],
      ["a longer one is paused at its share", 120_001, "paused restart 5"],
      ["another boot, or nobody knows", undefined, "paused restart 5"],
    ] as const)
      test(name, () => {
        const back = recovered(half, gap, at(500_000));
        assert.equal(stand(back), after);
        assert.deepEqual(weights(back, HEALTHY), { old: 50, new: 50 });
      });

    test("with steps of 10s a gap of 60s is still short", () => {
      const quick = { ...half, every: 10_000 };
      assert.equal(stand(recovered(quick, 60_000, at(0))), "shifting 5");
      assert.equal(stand(recovered(quick, 60_001, at(0))), "paused restart 5");
    });

    test("a pause that would end by itself waits for an operator after a long gap, an operator's stays an operator's", () => {
      for (const phase of ACTIVE.filter((p) => p.kind === "paused")) {
        const back = recovered({ ...half, phase }, undefined, at(77));
        const stays = ["operator", "restart", "config-changed"].includes(phase.why);
        assert.equal(stand(back), `paused ${stays ? phase.why : "restart"} 5`);
        assert.equal(stand(turns(back, view(1e9, HEALTHY))), stand(back), "goes on by itself");
        assert.equal(back.phase.kind === "paused" && back.phase.allDownSince, undefined);
      }
    });

    test("after a short gap a missed step is taken once, and then held for half its time at least", () => {
      const back = recovered(half, 60_000, at(110_000));
      const stepped = turns(back, view(110_000, HEALTHY));
      assert.equal(stand(stepped), "shifting 6");
      assert.equal(advance(stepped, view(110_000, HEALTHY)).lookAgainAt, 140_000);
    });

    test("monotonic times of another boot mean nothing: a whole step or a whole grace is left", () => {
      const shiftingBack = ok(command(recovered(half, undefined, at(5)), "resume", "", view(10, HEALTHY)));
      assert.deepEqual(shiftingBack.phase, shifting(60_010));
      const waiting = recovered(drain({ step: 10, phase: draining(9e9) }), undefined, at(5));
      const drainingBack = ok(command(waiting, "resume", "", view(10, HEALTHY)));
      assert.equal(drainingBack.phase.kind === "draining" && drainingBack.phase.graceUntil, 600_010);
    });

    test("what has ended is left as it is", () => {
      for (const phase of ENDED) {
        const over = drain({ step: 3, phase });
        assert.equal(recovered(over, undefined, at(1)), over);
      }
    });
  });

  test("undrain mid-drain is a rollback: the weights of before, exactly, from every state", () => {
    const pool = servers("old up 97", "new up 3", "third up 55");
    const before = { old: 97, new: 3, third: 55 };
    for (const step of [0, 1, 5, 10])
      for (const phase of [...ACTIVE, ended("done"), ended("aborted")]) {
        const result =
          phase.kind === "done" || phase.kind === "aborted"
            ? shift(drain({ step, phase: shifting() }), pool)
            : undefined;
        const back = ok(
          command(
            drain({ step, phase, result, configured: { [key("old")]: 97, [key("new")]: 3 } }),
            "rollback",
            "",
            view(1, pool),
          ),
        );
        assert.deepEqual(weights(back, pool), before);
      }
  });

  test("abort: what is moved now stays moved, that of a dead new does not", () => {
    const stays = ok(command(half, "abort", "", view(1, HEALTHY)));
    assert.deepEqual(weights(stays, HEALTHY), { old: 50, new: 50 });
    const dead = ok(command(half, "abort", "", view(1, NEW_DOWN)));
    assert.deepEqual(weights(dead, HEALTHY), { old: 100, new: 0 });
  });

  test("the last server of a pool may go only if that was said", () => {
    const alone = servers("old up 100");
    const forced = drain({ to: [], policy: { ...DEFAULT_DRAIN_POLICY, allowEmpty: true } });
    let present: Drain = forced;
    for (let now = 0; now <= 600_000; now += 60_000) present = turns(present, view(now, alone));
    assert.equal(present.phase.kind, "draining");
    assert.deepEqual(weights(present, alone), { old: 0 });
  });

  test("connections that never end: the grace ends it, their number is told, the weight stays 0", () => {
    const over = turns(drain({ step: 10, phase: draining() }), view(600_000, BUSY));
    assert.deepEqual(over.phase, { kind: "done", at: at(600_000).epoch, left: 7 });
    assert.deepEqual(weights(over, BUSY), { old: 0, new: 100 });
  });
});

describe("what a drain moves", () => {
  const rows: readonly (readonly [
    name: string,
    drain: Drain,
    who: Servers,
    weights: Readonly<Record<string, number>>,
  ])[] = [
    ["nothing before its first step", drain(), HEALTHY, { old: 100, new: 0 }],
    ["a standby ends with what it replaced", drain({ step: 10, phase: draining() }), HEALTHY, { old: 0, new: 100 }],
    [
      "a new with weight of its own ends with both",
      drain({ step: 10, phase: draining() }),
      servers("old up 100", "new up 100"),
      { old: 0, new: 200 },
    ],
    [
      "third servers keep their shares",
      drain({ step: 5, phase: shifting() }),
      servers("old up 100", "new up 0", "third up 70"),
      { old: 50, new: 50, third: 70 },
    ],
    [
      "several olds give the same part each",
      drain({ from: [key("old"), key("old2")], step: 5, phase: shifting() }),
      servers("old up 100", "old2 up 60", "new up 0"),
      { old: 50, old2: 30, new: 80 },
    ],
    [
      "news divide it by their own weights",
      drain({ to: [key("new"), key("new2")], step: 10, phase: draining() }),
      servers("old up 90", "new up 20", "new2 up 10"),
      { old: 0, new: 80, new2: 40 },
    ],
    [
      "news without weight divide it evenly",
      drain({ to: [key("new"), key("new2")], step: 5, phase: shifting() }),
      servers("old up 100", "new up 0", "new2 up 0"),
      { old: 50, new: 25, new2: 25 },
    ],
    [
      "without named news the others keep theirs",
      drain({ to: [], step: 5, phase: shifting() }),
      servers("old up 100", "a up 100"),
      { old: 50, a: 100 },
    ],
    ["rolled back: nothing", drain({ step: 5, phase: ended("rolled-back") }), HEALTHY, { old: 100, new: 0 }],
    ["failed: nothing", drain({ phase: ended("failed") }), HEALTHY, { old: 100, new: 0 }],
  ];
  for (const [name, each, who, expected] of rows) test(name, () => assert.deepEqual(weights(each, who), expected));

  test("a result frees the server whose configured weight changed, and only that one", () => {
    const done = turns(drain({ step: 10, phase: draining() }), view(1, IDLE));
    assert.deepEqual(weights(done, servers("old up 50", "new up 0")), { old: 50, new: 100 });
    assert.deepEqual(weights(done, servers("old up 100", "new up 30")), { old: 0, new: 30 });
    assert.deepEqual(weights(done, NEW_GONE), { old: 0 });
  });

  test("the share of the steps in force", () => {
    assert.equal(askedShare(drain()), 0);
    assert.equal(askedShare(drain({ step: 3 })), 0.3);
    assert.equal(askedShare(drain({ step: 10 })), 1);
  });

  test("the capacity a step leaves, of what is healthy now", () => {
    const rest = drain({ to: [] });
    assert.equal(capacityAfter(rest, 1, servers("old up 100", "a up 100", "b up 200")), 0.75);
    assert.equal(capacityAfter(rest, 1, servers("old up 100", "a up 100", "b down 200")), 0.5);
    assert.equal(capacityAfter(rest, 1, servers("old down 100", "a up 100")), 1);
    assert.equal(capacityAfter(rest, 1, servers("old down 100", "a down 100")), 1);
    assert.equal(capacityAfter(drain(), 1, HEALTHY), 1);
    assert.equal(capacityAfter(drain(), 1, NEW_DOWN), 0);
  });
});
