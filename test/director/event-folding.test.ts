import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createFolding, MOST_A_SECOND } from "../../src/director/event-folding.ts";
import { createEventLog, type DirectorEvent, type NewEvent } from "../../src/director/events.ts";
import { fakeClock } from "../support/fake-clock.ts";

function bench() {
  const clock = fakeClock();
  const folding = createFolding(clock);
  const log = createEventLog(() => clock.now().epoch, [], folding.fold);
  const each: DirectorEvent[] = [];
  const read: DirectorEvent[] = [];
  log.each((event) => each.push(event));
  log.follow((event) => read.push(event));
  return { clock, folding, log, each, read };
}

const moved = (to: "up" | "down", n: number, more: Partial<NewEvent> = {}): NewEvent => ({
  kind: "server",
  severity: to === "down" ? "warning" : "info",
  message: `web s${n}: ${to}`,
  service: "web",
  server: `s${n}`,
  from: to === "down" ? "up" : "unknown",
  to,
  ...(to === "down" ? { reason: "connection refused" } : {}),
  ...more,
});

describe("many events that are alike", () => {
  test("ten thousand servers that start are twenty events and one with their number; whoever counts or acts gets each", async () => {
    const { clock, log, each, read } = bench();
    for (let n = 0; n < 10_000; n++) log.record(moved("up", n));
    assert.deepEqual([each.length, read.length], [10_000, MOST_A_SECOND]);
    await clock.advance(1_000);
    assert.deepEqual([each.length, read.length, log.after(0).length], [10_000, 21, 21]);
    const { seq, count, message, service, from, to, severity } = read[20]!;
    assert.deepEqual(
      { seq, count, message, service, from, to, severity },
      {
        seq: 10_001,
        count: 9_980,
        message: "web: 9980 more within a second: server unknown -> up",
        service: "web",
        from: "unknown",
        to: "up",
        severity: "info",
      },
    );
  });

  test("the line has the common reasons and services, the most frequent first", async () => {
    const { clock, log, read } = bench();
    for (let n = 0; n < 120; n++)
      log.record(
        moved("down", n, {
          service: n % 4 === 0 ? "api" : "web",
          reason: n < 90 ? "connection refused" : `status ${500 + (n % 5)}`,
        }),
      );
    await clock.advance(1_000);
    assert.equal(
      read.at(-1)!.message,
      "100 more within a second: server up -> down; connection refused (70), status 500 (6), status 501 (6), other (18); in 2 services: web (75), api (25)",
    );
    assert.deepEqual([read.at(-1)!.reason, read.at(-1)!.service], ["connection refused", undefined]);
  });

  const untouched: readonly (readonly [why: string, count: number, everyMs: number, event: (n: number) => NewEvent])[] =
    [
      ["twenty in a second", 20, 0, (n) => moved("down", n)],
      ["fifty, ten a second", 50, 100, (n) => moved("down", n)],
      ["drains", 100, 0, () => ({ kind: "drain", severity: "info", message: "d", to: "shifting" })],
      ["commands", 100, 0, () => ({ kind: "admin", severity: "info", message: "a", to: "disabled" })],
      ["reloads", 100, 0, () => ({ kind: "reload", severity: "error", message: "r" })],
    ];
  for (const [why, count, everyMs, event] of untouched)
    test(`each is told by itself: ${why}`, async () => {
      const { clock, log, read } = bench();
      for (let n = 0; n < count; n++) {
        log.record(event(n));
        if (everyMs > 0) await clock.advance(everyMs);
      }
      await clock.advance(5_000);
      assert.equal(read.length, count);
      assert.ok(read.every((e) => e.count === undefined));
    });

  test("those that come up do not hide who goes down, nor that a quorum is lost", () => {
    const { log, read } = bench();
    for (let n = 0; n < 100; n++) log.record(moved("up", n));
    log.record(moved("down", 7));
    log.record({ kind: "service", severity: "error", message: "web: quorum lost", service: "web", to: "quorum-lost" });
    assert.deepEqual(
      read.slice(MOST_A_SECOND).map((e) => e.message),
      ["web s7: down", "web: quorum lost"],
    );
  });

  test("as long as it goes on there is one line a second; once it has ended each is told again", async () => {
    const { clock, log, read } = bench();
    for (let second = 0; second < 5; second++) {
      for (let n = 0; n < 100; n++) log.record(moved("down", n));
      await clock.advance(1_000);
    }
    assert.deepEqual(
      read.map((e) => e.count).filter((count) => count !== undefined),
      [80, 100, 100, 100, 100],
    );
    assert.equal(read.length, 25);
    await clock.advance(2_000);
    log.record(moved("down", 1));
    assert.equal(read.at(-1)!.message, "web s1: down");
  });

  test("the one that was one too many says all it has to say, a second late and with a number that grows", async () => {
    const { clock, log, read } = bench();
    for (let n = 0; n < 21; n++) log.record(moved("down", n));
    log.record({ kind: "drain", severity: "info", message: "d", to: "shifting" });
    await clock.advance(1_000);
    assert.deepEqual(
      read.slice(20).map(({ seq, message, server }) => ({ seq, message, server })),
      [
        { seq: 22, message: "d", server: undefined },
        { seq: 23, message: "web s20: down", server: "s20" },
      ],
    );
  });

  test("at the end nothing is held back, and no timer is left", () => {
    const { clock, folding, log, read } = bench();
    for (let n = 0; n < 50; n++) log.record(moved("down", n));
    folding.flush();
    assert.deepEqual([read.at(-1)!.count, clock.armed()], [30, 0]);
  });

  test("ten thousand reasons, each another, are counted in bounded room", async () => {
    const { clock, log, read } = bench();
    for (let n = 0; n < 10_000; n++) log.record(moved("down", n, { reason: `said ${n}`, service: `s${n}` }));
    await clock.advance(1_000);
    assert.match(read.at(-1)!.message, /; said \d+ \(1\), .*, other \(\d+\); in more than 100 services: /);
    assert.ok(read.at(-1)!.message.length < 300);
  });
});
