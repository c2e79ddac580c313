import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ServerKey } from "../../src/model/service.ts";
import type { EpochMs, Now } from "../../src/model/time.ts";
import { DEFAULT_DRAIN_POLICY, type Drain, type DrainPolicy, type Participant } from "../../src/policy/drain.ts";
import { advance, command, recovered } from "../../src/policy/drain-machine.ts";
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

type Servers = ReadonlyMap<ServerKey, Participant>;

const withPolicy = (policy: Partial<DrainPolicy>, given: Partial<Drain> = {}): Drain =>
  drain({ policy: { ...DEFAULT_DRAIN_POLICY, ...policy }, ...given });

function ordered(present: Drain, word: DrainCommand, now: number, who: Servers): Drain {
  const result = command(present, word, "said so", view(now, who));
  assert.ok(result.ok, result.ok ? "" : result.error);
  return result.value;
}

describe("--on-new-down", () => {
  test("rollback: every new down undoes it at once, without any wait", () => {
    const back = turns(withPolicy({ onNewDown: "rollback" }, { step: 5, phase: shifting() }), view(1, NEW_DOWN));
    assert.deepEqual(back.phase, { kind: "rolled-back", at: at(1).epoch, text: "new down" });
    assert.deepEqual(weights(back, HEALTHY), { old: 100, new: 0 });
  });

  test("rollback: one of two news down is a pause, for the other carries on", () => {
    const two = withPolicy({ onNewDown: "rollback" }, { to: [key("new"), key("new2")], step: 5, phase: shifting() });
    const one = turns(two, view(1, servers("old up 100", "new down 0", "new2 up 0")));
    assert.equal(stand(one), "paused new-down 5");
    assert.equal(stand(turns(one, view(2, servers("old up 100", "new down 0", "new2 down 0")))), "rolled-back 5");
  });

  test("rollback holds up to and including the wait for connections, and during an operator's pause", () => {
    for (const phase of [draining(), paused("operator"), paused("pause-at")])
      assert.equal(
        stand(turns(withPolicy({ onNewDown: "rollback" }, { step: 10, phase }), view(1, NEW_DOWN))),
        "rolled-back 10",
      );
  });

  test("rollback does not shorten the wait of a pending drain: the new has never been up", () => {
    const waiting = withPolicy({ onNewDown: "rollback" });
    assert.equal(stand(turns(waiting, view(59_999, NEW_DOWN))), "pending 0");
    assert.equal(stand(turns(waiting, view(60_000, NEW_DOWN))), "failed 0");
  });

  test("wait: the time for it is --new-down-timeout, also of a pending drain", () => {
    const patient = withPolicy({ newDownTimeout: 300_000 });
    assert.equal(stand(turns(patient, view(299_999, NEW_DOWN))), "pending 0");
    let down = turns({ ...patient, step: 5, phase: shifting() }, view(1_000, NEW_DOWN));
    down = turns(down, view(300_999, NEW_DOWN));
    assert.equal(stand(down), "paused new-down 5");
    assert.equal(stand(turns(down, view(301_000, NEW_DOWN))), "rolled-back 5");
  });

  test("an operator's pause neither stops the clock of a failure nor starts it anew", () => {
    let down = turns(drain({ step: 5, phase: shifting() }), view(1_000, NEW_DOWN));
    for (const now of [20_000, 40_000, 60_000])
      down = turns(ordered(down, "pause", now, NEW_DOWN), view(now, NEW_DOWN));
    assert.equal(stand(down), "paused operator 5");
    assert.equal(stand(turns(down, view(61_000, NEW_DOWN))), "rolled-back 5");
  });

  test("what the clock had counted before a pause of another kind does not count again later", () => {
    let present = turns(drain({ step: 5, phase: shifting() }), view(1_000, NEW_DOWN));
    present = recovered(present, 10_000_000, at(2_000));
    assert.equal(stand(present), "paused restart 5");
    present = turns(ordered(present, "pause", 90_000, NEW_DOWN), view(90_000, NEW_DOWN));
    assert.equal(stand(turns(present, view(149_999, NEW_DOWN))), "paused operator 5");
    assert.equal(stand(turns(present, view(150_000, NEW_DOWN))), "rolled-back 5");
  });
});

describe("--pause-at", () => {
  const stepped = (pauseAt: readonly number[], steps: readonly number[], from: number): Drain =>
    turns(withPolicy({ pauseAt }, { steps, step: from, phase: shifting(0) }), view(0, HEALTHY));

  test("the step that reaches the share is taken, and held until somebody resumes", () => {
    const held = stepped([0.5], [0.25, 0.5, 1], 1);
    assert.equal(stand(held), "paused pause-at 2");
    assert.deepEqual(weights(held, HEALTHY), { old: 50, new: 50 });
    assert.equal(held.phase.kind === "paused" && held.phase.text, "--pause-at 50");
    assert.equal(turns(held, view(1e9, HEALTHY)), held);
    const on = ordered(held, "resume", 1_000_000, HEALTHY);
    assert.equal(stand(turns(on, view(1_059_999, HEALTHY))), "shifting 2", "the step is held for --every from here");
    assert.equal(stand(turns(on, view(1_060_000, HEALTHY))), "shifting 3");
  });

  test("a share between two steps stops at the first step that reaches it, once", () => {
    const held = stepped([0.3, 0.4], [0.25, 0.5, 1], 1);
    assert.equal(stand(held), "paused pause-at 2");
    const on = ordered(held, "resume", 0, HEALTHY);
    assert.equal(stand(turns(on, view(60_000, HEALTHY))), "shifting 3");
  });

  test("several shares stop it several times", () => {
    let present = stepped([0.25, 1], [0.25, 0.5, 1], 0);
    const stops: string[] = [];
    for (let now = 0; present.phase.kind !== "draining"; now += 60_000) {
      if (present.phase.kind === "paused") stops.push(stand(present));
      if (present.phase.kind === "paused") present = ordered(present, "resume", now, HEALTHY);
      present = turns(present, view(now, HEALTHY));
      assert.ok(now < 1e7, "it never comes to its end");
    }
    assert.deepEqual(stops, ["paused pause-at 1", "paused pause-at 3"]);
  });

  test("at 100 it waits with everything moved, before the wait for connections begins", () => {
    const held = stepped([1], [0.5, 1], 1);
    assert.equal(stand(held), "paused pause-at 2");
    assert.equal(stand(turns(ordered(held, "resume", 5, HEALTHY), view(5, HEALTHY))), "draining 2");
  });

  test("a step back over it means waiting there again", () => {
    const held = stepped([0.5], [0.25, 0.5, 0.75, 1], 1);
    let present = turns(ordered(held, "resume", 0, HEALTHY), view(1, NEW_DOWN));
    present = turns(present, view(2, HEALTHY));
    assert.equal(stand(present), "shifting 1");
    assert.equal(stand(turns(present, view(60_002, HEALTHY))), "paused pause-at 2");
  });

  test("finish passes over it", () => {
    assert.equal(
      stand(turns(ordered(stepped([0.5], [0.5, 1], 0), "finish", 1, HEALTHY), view(1, HEALTHY))),
      "draining 2",
    );
  });
});

describe("--idle, and the end of the grace", () => {
  const waiting = (idle: DrainPolicy["idle"]) => withPolicy({ idle }, { step: 10, phase: draining() });
  const rows: readonly (readonly [what: string, old: string, active: string, all: string, none: string])[] = [
    ["open connections", "old up 100 7 connections", "draining 10", "draining 10", "done 10"],
    ["no active connection", "old up 100 idle", "done 10", "done 10", "done 10"],
    ["only closing ones and templates", "old up 100 idle 2 lingering", "done 10", "draining 10", "done 10"],
  ];
  for (const [what, old, ...expected] of rows)
    test(`${what}: active ${expected[0]}, all ${expected[1]}, none ${expected[2]}`, () => {
      for (const [i, idle] of (["active", "all", "none"] as const).entries())
        assert.equal(stand(turns(waiting(idle), view(1, servers(old, "new up 0")))), expected[i], idle);
    });

  test("the grace is over: done with the number of what was waited for", () => {
    const who = servers("old up 100 3 connections 2 lingering", "new up 0");
    const left = (idle: DrainPolicy["idle"]) => {
      const { phase } = turns(waiting(idle), view(600_000, who));
      return phase.kind === "done" ? phase.left : undefined;
    };
    assert.equal(left("active"), 3);
    assert.equal(left("all"), 5);
    assert.equal(left("none"), 0);
  });

  test("the grace is over while only closing connections are left: with --idle all that is not idle", () => {
    const { phase } = turns(waiting("all"), view(600_000, servers("old up 100 idle 2 lingering", "new up 0")));
    assert.equal(phase.kind === "done" && phase.left, 2);
  });

  test("--grace counts from when everything was moved, a pause aside", () => {
    const short = withPolicy({ grace: 20_000 }, { step: 10, phase: shifting() });
    const busy = servers("old up 100 1 connections", "new up 0");
    const present = turns(short, view(5_000, busy));
    assert.equal(stand(turns(present, view(24_999, busy))), "draining 10");
    assert.equal(stand(turns(present, view(25_000, busy))), "done 10");
    const held = ordered(present, "pause", 15_000, busy);
    const on = ordered(held, "resume", 1_000_000, busy);
    assert.equal(stand(turns(on, view(1_009_999, busy))), "draining 10");
    assert.equal(stand(turns(on, view(1_010_000, busy))), "done 10");
  });

  test("several olds: idle when each of them is, left with the sum", () => {
    const two = withPolicy({}, { from: [key("old"), key("old2")], step: 10, phase: draining() });
    const one = servers("old up 100 idle", "old2 up 100 4 connections", "new up 0");
    assert.equal(stand(turns(two, view(1, one))), "draining 10");
    const { phase } = turns(two, view(600_000, one));
    assert.equal(phase.kind === "done" && phase.left, 4);
    const idle = servers("old up 100 idle", "old2 up 100 idle", "new up 0");
    assert.equal(stand(turns(two, view(1, idle))), "done 10");
  });
});

describe("--min-capacity and --allow-empty", () => {
  test("of what is configured: one server after the other must not empty a pool", () => {
    // Two of four are drained already: 200 of 400 are left, and this one would make it 100.
    const gone = (name: string): Participant => ({ ...servers(`${name} up 100`).get(key(name))!, weight: 0 });
    const pool = new Map([[key("a"), gone("a")], [key("b"), gone("b")], ...servers("old up 100", "c up 100")]);
    const rest = drain({ to: [], steps: [0.5, 1], step: 0, phase: shifting(0) });
    const held = turns(rest, view(0, pool));
    assert.equal(stand(held), "paused capacity 0");
    assert.match(held.phase.kind === "paused" ? held.phase.text : "", /^only 38% of the healthy weight/);
    const less = withPolicy({ minCapacity: 0.25 }, { to: [], steps: [0.5, 1], step: 0, phase: shifting(0) });
    assert.equal(stand(turns(less, view(0, pool))), "shifting 1");
  });

  test("a standby that has taken over counts with the weight it took", () => {
    // The server that `old` replaced is down by now: 110 are in service, and without `old` it would be 10.
    const standby: Participant = { ...servers("old up 100").get(key("old"))!, configured: 0, base: 0 };
    const pool = new Map([[key("old"), standby], ...servers("gone down 100", "c up 10")]);
    const held = turns(drain({ to: [], steps: [1], phase: shifting(0) }), view(0, pool));
    assert.match(held.phase.kind === "paused" ? held.phase.text : "", /^only 9% of the healthy weight/);
  });

  test("named news count with what they take: a standby may replace the only server there is", () => {
    assert.equal(stand(turns(drain({ steps: [1], phase: shifting(0) }), view(0, HEALTHY))), "shifting 1");
  });

  test("--allow-empty: neither a missing pool nor a dead one stops it, and the olds do not get their weight back", () => {
    const pool = servers("old up 100", "a down 100");
    const present = turns(withPolicy({ allowEmpty: true }, { to: [], step: 9, phase: shifting(0) }), view(0, pool));
    assert.equal(stand(present), "shifting 10");
    assert.deepEqual(weights(present, pool), { old: 0, a: 0 });
  });
});

describe("--ttl", () => {
  const expiring = (given: Partial<Drain> = {}): Drain =>
    withPolicy({ ttl: 1_800_000 }, { expires: { mono: mono(1_800_000), epoch: at(1_800_000).epoch }, ...given });
  const result = { given: { [key("old")]: 100 }, taken: { [key("new")]: 100 } };
  /** Wall clock and time since boot apart from each other. */
  const clocks = (monoMs: number, epochMs: number): Now => ({ mono: mono(monoMs), epoch: at(epochMs).epoch });

  test("undoes it in every state that counts: under way, done, aborted", () => {
    const states = [
      expiring({ phase: { kind: "pending", since: mono(0) } }),
      expiring({ step: 5, phase: shifting(9e9) }),
      expiring({ step: 5, phase: paused("operator") }),
      expiring({ step: 5, phase: paused("restart") }),
      expiring({ step: 10, phase: draining(9e9) }),
      expiring({ step: 10, phase: ended("done"), result }),
      expiring({ step: 5, phase: ended("aborted"), result }),
    ];
    for (const state of states) {
      const early = advance(state, view(1_799_999, NEW_DOWN));
      assert.notEqual(early.event, "ttl over");
      const back = turns(state, view(1_800_000, NEW_DOWN));
      assert.deepEqual(
        [back.phase.kind, back.phase.kind === "rolled-back" && back.phase.text],
        ["rolled-back", "its --ttl of 30m is over"],
      );
      assert.deepEqual(weights(back, HEALTHY), { old: 100, new: 0 });
    }
  });

  test("somebody looks at it in time, also long after it is done", () => {
    for (const state of [
      expiring({ step: 10, phase: ended("done"), result }),
      expiring({ step: 5, phase: paused("operator") }),
    ])
      assert.equal(advance(state, view(1_000, HEALTHY)).lookAgainAt, 1_800_000);
    assert.equal(advance(expiring({ step: 5, phase: shifting() }), view(1_000, HEALTHY)).lookAgainAt, 60_000);
  });

  test("what was undone, or left nothing behind, does not expire", () => {
    for (const phase of [ended("rolled-back"), ended("failed"), ended("done")])
      assert.equal(stand(turns(expiring({ step: 5, phase }), view(1e9, HEALTHY))), `${phase.kind} 5`);
  });

  test("not while it cannot be recorded", () => {
    const done = expiring({ step: 10, phase: ended("done"), result });
    assert.equal(turns(done, view(1e9, HEALTHY, { storable: false })), done);
  });

  test("in the same boot it goes by the time since boot, whatever somebody does to the wall clock", () => {
    for (const jump of [-86_400_000, 86_400_000])
      for (const gap of [1_000, 10_000_000]) {
        const back = recovered(expiring({ step: 10, phase: ended("done"), result }), gap, clocks(1_000_000, jump));
        const seen = (monoMs: number) => turns(back, { ...view(0, HEALTHY), now: clocks(monoMs, jump) });
        assert.equal(stand(seen(1_799_999)), "done 10");
        assert.equal(stand(seen(1_800_000)), "rolled-back 10");
      }
  });

  test("over a reboot it goes by the wall clock, and by the time since boot from there on", () => {
    // 10 minutes of the 30 are left by the wall when the machine is up again, 5 seconds after its boot.
    for (const phase of [ended("done"), ended("aborted"), shifting(9e9)]) {
      const standing = phase.kind === "shifting" ? undefined : result;
      const back = recovered(expiring({ step: 5, phase, result: standing }), undefined, clocks(5_000, 1_200_000));
      const seen = (monoMs: number) => turns(back, { ...view(0, HEALTHY), now: clocks(monoMs, 9e9) });
      assert.notEqual(seen(604_999).phase.kind, "rolled-back");
      assert.equal(seen(605_000).phase.kind, "rolled-back");
    }
  });

  test("it ran out while the machine was off: undone at the first look", () => {
    const back = recovered(expiring({ step: 10, phase: ended("done"), result }), undefined, clocks(5_000, 99_000_000));
    assert.equal(turns(back, { ...view(0, HEALTHY), now: clocks(5_000, 99_000_000) }).phase.kind, "rolled-back");
  });

  test("a wall clock that was set back during the reboot lengthens it by that at most", () => {
    const back = recovered(expiring({ step: 10, phase: ended("done"), result }), undefined, clocks(5_000, 0));
    assert.deepEqual(back.expires, { mono: 1_805_000, epoch: at(1_800_000).epoch as EpochMs });
  });
});

describe("--on-restart", () => {
  const half = { step: 5, phase: shifting(600_000) };
  const rows: readonly (readonly [DrainPolicy["onRestart"], gap: number | undefined, after: string])[] = [
    ["pause", 60_000, "shifting 5"],
    ["pause", 120_001, "paused restart 5"],
    ["pause", undefined, "paused restart 5"],
    ["resume", 120_001, "shifting 5"],
    ["resume", undefined, "shifting 5"],
    ["rollback", 60_000, "shifting 5"],
    ["rollback", 120_001, "rolled-back 5"],
    ["rollback", undefined, "rolled-back 5"],
  ];
  for (const [onRestart, gap, after] of rows)
    test(`${onRestart} after ${gap === undefined ? "another boot" : `${gap} ms`}: ${after}`, () =>
      assert.equal(stand(recovered(withPolicy({ onRestart }, half), gap, at(500_000))), after));

  test("resume after another boot holds the step for a whole --every, and the grace anew", () => {
    const shift = recovered(withPolicy({ onRestart: "resume" }, half), undefined, at(7_000));
    assert.equal(shift.phase.kind === "shifting" && shift.phase.nextStepAt, 67_000);
    const wait = recovered(withPolicy({ onRestart: "resume" }, { step: 10, phase: draining(9) }), undefined, at(7_000));
    assert.equal(wait.phase.kind === "draining" && wait.phase.graceUntil, 607_000);
  });

  test("resume after a long gap of the same boot takes one step, not those it missed", () => {
    const back = recovered(withPolicy({ onRestart: "resume" }, half), 6_000_000, at(6_600_000));
    const stepped = turns(back, view(6_600_000, HEALTHY));
    assert.equal(stand(stepped), "shifting 6");
    assert.equal(stand(turns(stepped, view(6_629_999, HEALTHY))), "shifting 6");
  });

  test("resume does not resume what an operator paused", () => {
    for (const why of ["operator", "pause-at", "config-changed"] as const) {
      const back = recovered(withPolicy({ onRestart: "resume" }, { step: 5, phase: paused(why) }), undefined, at(0));
      assert.equal(stand(turns(back, view(1e9, HEALTHY))), `paused ${why} 5`);
    }
  });

  test("rollback says why", () => {
    const text = (gap: number | undefined) => {
      const { phase } = recovered(withPolicy({ onRestart: "rollback" }, half), gap, at(0));
      return phase.kind === "rolled-back" ? phase.text : "";
    };
    assert.equal(text(undefined), "the machine was restarted");
    assert.equal(text(7_200_000), "director did not run for 2h");
  });
});

describe("finish", () => {
  const rows: readonly (readonly [string, Drain, Servers, after: string | RegExp])[] = [
    ["pending, the new is up", drain(), HEALTHY, "draining 10"],
    ["pending, the new is down", drain(), NEW_DOWN, /^new not healthy/],
    ["shifting", drain({ step: 3, phase: shifting() }), HEALTHY, "draining 10"],
    ["paused by an operator", drain({ step: 3, phase: paused("operator") }), HEALTHY, "draining 10"],
    ["paused after a restart", drain({ step: 3, phase: paused("restart") }), HEALTHY, "draining 10"],
    ["paused, the new is down", drain({ step: 3, phase: paused("new-down") }), NEW_DOWN, /^new not healthy/],
    ["draining", drain({ step: 10, phase: draining() }), HEALTHY, /moved everything already/],
    ["paused while draining", drain({ step: 10, phase: paused("operator", { was: "draining" }) }), HEALTHY, /already/],
    [
      "it would leave too little",
      drain({ to: [], step: 3, phase: shifting() }),
      servers("old up 100", "a up 50", "b down 100"),
      /^only 33% of the healthy weight would be left, below 50%$/,
    ],
    ...(["done", "rolled-back", "aborted", "failed"] as const).map(
      (kind) => [kind, drain({ step: 3, phase: ended(kind) }), HEALTHY, /nothing to finish/] as const,
    ),
  ];
  for (const [name, before, who, after] of rows)
    test(`${name}: ${after}`, () => {
      const result = command(before, "finish", "", view(1, who));
      if (typeof after === "string") assert.equal(result.ok && stand(turns(result.value, view(1, who))), after);
      else assert.match(result.ok ? "" : result.error, after);
    });

  test("one of two news left the file: who finishes goes on without it, as who resumes does", () => {
    const two = drain({ to: [key("new"), key("new2")], step: 5, phase: paused("config-changed") });
    for (const word of ["finish", "resume"] as const) assert.deepEqual(ordered(two, word, 1, HEALTHY).to, ["new"]);
  });

  test("every new left the file: that never means that the rest of the pool takes over", () => {
    const pool = servers("old up 100", "third up 100");
    const gone = drain({ step: 5, phase: paused("operator") });
    const resumed = ordered(gone, "resume", 1, pool);
    assert.deepEqual(weights(resumed, pool), { old: 100, third: 100 });
    assert.equal(stand(turns(resumed, view(1, pool))), "rolled-back 5");
    assert.equal(command(gone, "finish", "", view(1, pool)).ok, false);
  });
});

test("a new with weight of its own left the file: its part is back with the olds, not with the other new", () => {
  const two = drain({
    to: [key("new"), key("new2")],
    configured: { [key("old")]: 90, [key("new")]: 20, [key("new2")]: 10 },
    step: 5,
    phase: shifting(),
  });
  assert.deepEqual(weights(two, servers("old up 90", "new up 20", "new2 up 10")), { old: 45, new: 50, new2: 25 });
  assert.deepEqual(weights(two, servers("old up 90", "new up 20")), { old: 60, new: 50 });
});
