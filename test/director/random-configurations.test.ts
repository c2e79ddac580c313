import assert from "node:assert/strict";
import { test } from "node:test";
import { renderListing, renderThresholds } from "../ipvs/render.ts";
import type { Asked } from "../lab/random/asked.ts";
import { type Chance, chance } from "../lab/random/chance.ts";
import {
  type Expected,
  expected,
  savedLines,
  savedServer,
  savedService,
  thresholdLines,
} from "../lab/random/expected.ts";
import { changed } from "../lab/random/generate.ts";
import { type Leavers, leavers, NOBODY } from "../lab/random/leaving.ts";
import { written } from "../lab/random/written.ts";
import { type Daemon, type World, world } from "./daemon.ts";

// The same configurations as test/lab/random, over the table in this process: many more of them, and every line that is written is seen.

const SCHEDULERS = "rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf".split(" ");
const RELOADS = 12;

/** What ipvsadm would print. */
async function listed(at: World): Promise<{ readonly saved: readonly string[]; readonly limits: readonly string[] }> {
  const table = await at.kernel.memory.read(new AbortController().signal);
  let title = "";
  const limits: string[] = [];
  for (const line of renderThresholds(table).split("\n").slice(3)) {
    const [first = "", second = "", third = "", ...rest] = line.trim().split(/\s+/);
    if (first === "->") limits.push(`${title} -> ${[second, third, ...rest].join(" ")}`);
    else if (first !== "") {
      title = `${first} ${second}${third === "IPv6" ? " IPv6" : ""}`;
      limits.push(title);
    }
  }
  return { saved: renderListing(table).split("\n").filter(Boolean), limits };
}

function assertAsked(
  lines: readonly string[],
  wanted: readonly string[],
  leaving: readonly string[],
  what: string,
): void {
  const found = new Set(lines);
  const known = new Set([...wanted, ...leaving]);
  assert.equal(found.size, lines.length, `${what}: a line twice`);
  assert.deepEqual(
    { missing: wanted.filter((line) => !found.has(line)), unasked: lines.filter((line) => !known.has(line)) },
    { missing: [], unasked: [] },
    what,
  );
}

function text(asked: Asked): string {
  return `reload: { max_removed: 100% }\ndefaults: { check: none }\n${written(asked)}`;
}

/** The edits that would change nothing of what is listed, as sorted words. */
function edits(tables: readonly Expected[], saved: ReadonlySet<string>): ReadonlySet<string> {
  const lines: string[] = [];
  for (const entry of tables.flatMap((table) => [...table.values()])) {
    if (saved.has(savedService(entry))) lines.push(savedService(entry).replace("-A", "-E"));
    for (const server of entry.servers.values()) {
      const line = savedServer(entry, server);
      const [x, y] = [server.upper && ` -x ${server.upper}`, server.lower && ` -y ${server.lower}`];
      if (saved.has(line))
        lines.push(`${line.replace("-a", "-e").replace(" --tun-type ipip", "")}${x || ""}${y || ""}`);
    }
  }
  return new Set(lines.map(sortedWords));
}

function sortedWords(line: string): string {
  return line.split(" ").sort().join(" ");
}

/** A life of one director: reloads, with a stop or a kill among them. */
async function life(seed: number): Promise<void> {
  const random: Chance = chance(seed);
  const at = world();
  const possible = { schedulers: SCHEDULERS, checks: false };
  let asked = changed(random, [], possible);
  let wanted: Expected = expected(asked);
  let leaving: Leavers = NOBODY;
  let daemon: Daemon = await at.start(text(asked));

  async function check(what: string): Promise<readonly string[]> {
    const { saved, limits } = await listed(at);
    assertAsked(saved, savedLines(wanted), savedLines(leaving), `${what}: ipvsadm -Sn`);
    assertAsked(limits, thresholdLines(wanted), thresholdLines(leaving), `${what}: ipvsadm -Ln --thresholds`);
    return saved;
  }

  /** All graces are over. */
  async function later(): Promise<void> {
    await at.clock.advance(3_000);
    leaving = NOBODY;
  }

  async function nothingIsWritten(what: string, act: () => Promise<unknown>): Promise<void> {
    const before = at.kernel.writes;
    await act();
    assert.equal(at.kernel.writes, before, `${what} wrote ${at.kernel.written.slice(-5).join("; ")}`);
  }

  let saved = await check(`seed ${seed}, the start`);
  for (let i = 1; i <= RELOADS; i++) {
    const what = `seed ${seed}, reload ${i}`;
    asked = changed(random, asked, possible);
    const then = expected(asked);
    const stood = edits([wanted, leaving], new Set(saved));
    leaving = leavers(wanted, leaving, then, new Set(saved));
    wanted = then;
    const before = at.kernel.written.length;
    await daemon.reload(text(asked));
    const lines = at.kernel.written.slice(before);
    assert.equal(new Set(lines).size, lines.length, `${what} wrote a line twice`);
    assert.deepEqual(
      lines.map(sortedWords).filter((words) => stood.has(words)),
      [],
      `${what} wrote what stood there`,
    );
    saved = await check(what);
    if (i % 4 !== 0) continue;
    await later();
    saved = await check(`${what}, later`);
    await nothingIsWritten(`${what} again`, () => daemon.reload(text(asked)));
    await nothingIsWritten(`${what}, a while of nothing`, () => at.clock.advance(40_000));
    await nothingIsWritten(`${what}, a restart`, async () => {
      if (random.happens(0.5)) await daemon.stop();
      daemon = await at.start(text(asked));
    });
    saved = await check(`${what}, a restart`);
  }
  daemon.kill();
}

test("whatever services ask for stands in the table, through reloads and restarts, and nothing is written when nothing has changed", async () => {
  for (let seed = 1; seed <= 25; seed++) await life(seed);
});
