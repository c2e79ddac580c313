import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DrainStatus, StatusReply } from "../../src/control/shapes.ts";
import type { DirectorEvent } from "../../src/director/events.ts";
import { createEventLog } from "../../src/director/events.ts";
import { difference, isEmpty } from "../../src/page/delta.ts";
import { createFeed, MOST_VIEWERS } from "../../src/page/feed.ts";
import type { Message } from "../../src/page/pieces.ts";
import { viewOf } from "../../src/page/view.ts";
import { aCheck, aDrain, aServer, aService, aStatus, NOON, SECOND } from "../cli/support.ts";
import { fakeClock } from "../support/fake-clock.ts";

const NO_MORE = { endedAt: undefined, plan: [] };

function view(status: StatusReply) {
  return viewOf({ host: "lb1", status, drainMore: () => NO_MORE, history: () => [] });
}

describe("what is sent of a change", () => {
  const before = view(aStatus());
  const server = (more: Parameters<typeof aServer>[1]) => aStatus({ services: [aService([aServer("app1", more)])] });
  const key = "server/web/10.0.0.4:80";

  const cases: readonly (readonly [what: string, status: StatusReply, set: Record<string, unknown>])[] = [
    ["nothing, when nothing has changed", aStatus(), {}],
    [
      "nothing but the weight of a server, when that has",
      server({ weight: 50 }),
      { [key]: { weight: 50, kernelWeight: 50 } },
    ],
    ["a reason that is gone, as null", server({ since: undefined }), { [key]: { since: null } }],
    ["no counts of connections by themselves", server({ active: 13, inactive: 9 }), {}],
    ["no times of probes by themselves", server({ checks: [aCheck({ at: NOON + SECOND })] }), {}],
    ["both with what changes beside them", server({ active: 13, reason: "x" }), { [key]: { active: 13, reason: "x" } }],
    ["no time that only wavers, as the clocks do", server({ since: NOON - 3 * 3_600_000 + 1 }), {}],
    [
      "no problem that only grows older",
      aStatus({ problems: [{ severity: "warning", message: "web a: down for 1h3m7s: refused" }] }),
      { problems: { warnings: 1, list: [{ severity: "warning", message: "web a: down for 1h3m7s: refused" }] } },
    ],
  ];
  for (const [what, status, set] of cases)
    test(what, () => assert.deepEqual(difference(before, view(status), false).delta, { set, gone: [] }));

  test("a problem's age alone is not sent, its number and its words are", () => {
    const told = (message: string) => view(aStatus({ problems: [{ severity: "warning", message }] }));
    const old = told("web a: down for 59s: refused");
    assert.ok(isEmpty(difference(old, told("web a: down for 1m: refused"), false).delta));
    assert.ok(!isEmpty(difference(old, told("web a: down for 1m: refused"), true).delta));
    assert.ok(!isEmpty(difference(old, told("web b: down for 59s: refused"), false).delta));
  });

  test("what was left out is sent in its time: viewers always come to have what is", () => {
    const now = view(server({ active: 99, weight: 7 }));
    const soon = view(server({ active: 100, weight: 7 }));
    const first = difference(before, now, false);
    const second = difference(first.sent, soon, false);
    assert.ok(isEmpty(second.delta));
    const third = difference(second.sent, soon, true);
    assert.deepEqual(third.delta.set, { [key]: { active: 100 } });
    assert.deepEqual(JSON.parse(JSON.stringify([...third.sent])), JSON.parse(JSON.stringify([...soon])));
  });

  test("a server, a service and a drain that are gone are named", () => {
    const full = view(
      aStatus({
        services: [aService([aServer("a"), aServer("bb")]), aService([], { name: "api" })],
        drains: [aDrain()],
      }),
    );
    const { gone, set } = difference(full, view(aStatus({ services: [aService([aServer("a")])] })), false).delta;
    assert.deepEqual(gone.toSorted(), ["drain/d-1a2b3c4d", "server/web/10.0.0.2:80", "service/api"]);
    assert.deepEqual(Object.keys(set), ["layout", "service/web"], "one server fewer is healthy");
  });

  test("of lists as long as the table only the first lines are shown, with how many there are", () => {
    const problems = Array.from({ length: 250 }, (_, i) => ({
      severity: i < 3 ? ("error" as const) : ("warning" as const),
      message: `${i}`,
    }));
    const differences = Array.from({ length: 150 }, (_, i) => `-a ${i}`);
    const shown = view(aStatus({ problems, table: { ...aStatus().table, differences } }));
    const { errors, warnings, list } = shown.get("problems") as { errors: number; warnings: number; list: unknown[] };
    assert.deepEqual([errors, warnings, list.length], [3, 247, 100]);
    const table = shown.get("table") as { differ: number; differences: unknown[] };
    assert.deepEqual([table.differ, table.differences.length], [150, 100]);
  });

  test("drains that are over are shown while their shares stand, and the last ten of the others", () => {
    const drains = Array.from({ length: 30 }, (_, i) =>
      aDrain({ id: `d-${i}`, state: "rolled-back", stands: i === 2 }),
    );
    const keys = [...view(aStatus({ drains: [...drains, aDrain({ id: "d-now" })] })).keys()].filter((each) =>
      each.startsWith("drain/"),
    );
    assert.deepEqual(keys, ["drain/d-now", ...Array.from({ length: 10 }, (_, i) => `drain/d-${29 - i}`), "drain/d-2"]);
  });
});

describe("the stream of changes", () => {
  function started(status = aStatus()) {
    const clock = fakeClock();
    const now = { status, looks: 0, asked: 0, fails: false };
    const log = createEventLog(() => clock.now().epoch);
    const errors: unknown[] = [];
    const feed = createFeed({
      clock,
      host: "lb1",
      status() {
        now.looks++;
        if (now.fails) throw new Error("boom");
        return { ...now.status, now: clock.now().epoch };
      },
      drains: (wanted) => now.status.drains.filter(({ id, state }) => wanted(id, state === "shifting")),
      drainMore: () => NO_MORE,
      rates: async () => {
        now.asked++;
        return new Map([["web", now.asked]]);
      },
      eventsAfter: log.after,
      lastSeq: log.lastSeq,
      onError: (error) => errors.push(error),
    });
    const join = () => {
      const got: Message[] = [];
      const viewer = { got, ended: 0, leave: () => {} };
      viewer.leave = feed.join(
        (text) => {
          assert.match(text, /^data: [^\n]+\n\n$/);
          got.push(JSON.parse(text.slice("data: ".length)) as Message);
        },
        () => viewer.ended++,
      );
      return viewer;
    };
    return { clock, now, log, errors, feed, join };
  }
  const event = (message: string): Omit<DirectorEvent, "seq" | "at"> => ({ kind: "server", severity: "info", message });

  test("costs nothing while nobody looks, and nothing any more when the last has gone", async () => {
    const { clock, now, join } = started();
    await clock.advance(60_000);
    assert.deepEqual([now.looks, now.asked, clock.armed()], [0, 0, 0]);
    const viewer = join();
    await clock.advance(10_000);
    assert.ok(now.looks > 5 && now.asked >= 2);
    viewer.leave();
    const { looks, asked } = now;
    await clock.advance(60_000);
    assert.deepEqual([now.looks, now.asked, clock.armed()], [looks, asked, 0]);
  });

  test("one look a second serves all, however many they are; who comes later gets the whole picture as the others have it", async () => {
    const { clock, now, log, join } = started();
    log.record(event("before"));
    const first = join();
    const others = Array.from({ length: 20 }, join);
    assert.equal(now.looks, 1);
    assert.deepEqual([first.got[0]?.whole, first.got[0]?.events.map(({ message }) => message)], [true, ["before"]]);
    now.status = aStatus({ services: [aService([aServer("app1", { weight: 3 })])] });
    log.record(event("after"));
    await clock.advance(1_000);
    assert.equal(now.looks, 2);
    const news = first.got.at(-1)!;
    assert.deepEqual(
      [news.set, news.events.map(({ message }) => message), news.whole],
      [{ "server/web/10.0.0.4:80": { weight: 3, kernelWeight: 3 } }, ["after"], undefined],
    );
    for (const { got } of others) assert.deepEqual(got.at(-1), news);
    const late = join();
    assert.equal(now.looks, 2);
    assert.equal((late.got[0]!.set["server/web/10.0.0.4:80"] as { weight: number }).weight, 3);
    assert.deepEqual(
      late.got[0]!.events.map(({ message }) => message),
      ["before", "after"],
    );
  });

  test("nothing new: nothing is sent for five seconds, then a sign of life with the counts of meanwhile and a rate", async () => {
    const { clock, now, join } = started();
    const { got } = join();
    await clock.advance(1_000);
    const quiet = got.length;
    now.status = aStatus({ services: [aService([aServer("app1", { active: 13 })])] });
    await clock.advance(3_000);
    assert.equal(got.length, quiet);
    await clock.advance(2_500);
    assert.ok(got.some(({ set }) => (set["server/web/10.0.0.4:80"] as { active?: number } | undefined)?.active === 13));
    assert.deepEqual(
      got.flatMap(({ rate }) => (rate ? [rate.of] : [])),
      [{ web: 1 }, { web: 2 }],
    );
    const late = join();
    assert.deepEqual(late.got[0]?.rates?.of, { web: [1, 2] });
  });

  test("a look that fails is told, and ends the streams instead of the daemon; they may come again", async () => {
    const { clock, now, errors, join } = started();
    const viewer = join();
    now.fails = true;
    await clock.advance(1_000);
    assert.deepEqual([errors.length, viewer.ended], [1, 1]);
    viewer.leave();
    now.fails = false;
    assert.equal(join().got[0]?.whole, true);
  });

  test("half of the door's connections are for viewers, and no more", () => {
    const { feed, join } = started();
    for (let i = 0; i < MOST_VIEWERS - 1; i++) join();
    assert.equal(feed.isFull(), false);
    const last = join();
    assert.equal(feed.isFull(), true);
    last.leave();
    assert.equal(feed.isFull(), false);
  });

  test("the way of a drain is kept while nobody looks: each share from when it stood, and its end", async () => {
    const { clock, now, feed, join } = started();
    const at = (more: Partial<DrainStatus>) => {
      now.status = aStatus({ drains: [aDrain(more)] });
      feed.passed();
    };
    at({ asked: 0.25, given: 0.25 });
    await clock.advance(30_000);
    at({ asked: 0.25, given: 0.25 });
    at({ asked: 0.5, given: 0.48 });
    await clock.advance(30_000);
    at({ state: "rolled-back", asked: 0.5, given: undefined });
    feed.passed();
    const { got } = join();
    const { history } = got[0]!.set["drain/d-1a2b3c4d"] as { history: { at: number; state: string; given?: number }[] };
    const begun = history[0]!.at;
    assert.deepEqual(
      history.map((point) => [Math.round((point.at - begun) / 1000), point.state, point.given]),
      [
        [0, "shifting", 0.25],
        [30, "shifting", 0.48],
        [60, "rolled-back", undefined],
      ],
    );
  });
});
