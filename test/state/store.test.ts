import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import type { ServerKey, ServiceKey } from "../../src/model/service.ts";
import type { EpochMs, MonotonicMs } from "../../src/model/time.ts";
import type { Drain, DrainPhase } from "../../src/policy/drain.ts";
import {
  EMPTY_INTENT,
  type Intent,
  intentOf,
  type ServerIntent,
  withDrain,
  withServer,
} from "../../src/policy/intent.ts";
import { fileStore, memoryStore, parseIntent } from "../../src/state/store.ts";
import { drain, draining, ended, key, mono, paused, shifting } from "../policy/drains.ts";

const WEB = "tcp:192.0.2.10:80" as ServiceKey;
const ALT = "tcp:[2001:db8::10]:80" as ServiceKey;
const A = "10.0.0.1:80" as ServerKey;
const at = 1_790_000_000_000.25 as EpochMs;
const said = { by: "ops (uid 1000)", at, reason: "kernel update" };
const numbered = (revision: number): Intent => ({ ...EMPTY_INTENT, revision, bootId: "boot-1", owned: [WEB] });

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "director-state-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A directory where documents 1 and 2 were written, so that there is one before the newest. */
async function written(t: TestContext): Promise<string> {
  const path = await directory(t);
  const store = fileStore(path);
  await store.load();
  await store.save(numbered(1));
  await store.save(numbered(2));
  return path;
}

const revisionOf = async (path: string): Promise<string> => {
  const loaded = await fileStore(path).load();
  return loaded.kind === "none" ? "none" : `${loaded.kind} ${loaded.intent.revision}`;
};

describe("the document survives", () => {
  test("what was saved is loaded", async (t) => {
    const path = await written(t);
    assert.deepEqual(await fileStore(path).load(), { kind: "found", intent: numbered(2) });
  });

  test("a first start finds nothing, and that is no problem", async (t) => {
    assert.deepEqual(await fileStore(await directory(t)).load(), { kind: "none", problem: undefined });
    assert.deepEqual(await fileStore(join(await directory(t), "not", "there")).load(), {
      kind: "none",
      problem: undefined,
    });
  });

  test("the directory is made, for the owner and the group alone", async (t) => {
    const path = join(await directory(t), "a", "b");
    const store = fileStore(path);
    await store.load();
    await store.save(numbered(1));
    assert.equal(await revisionOf(path), "found 1");
  });

  const spoilt: readonly (readonly [how: string, spoil: (file: string) => Promise<void>, problem: RegExp])[] = [
    ["cut off in the middle", (file) => truncate(file, 40), /intent\.json: not JSON/],
    ["empty, as after a power cut", (file) => truncate(file, 0), /intent\.json: not JSON/],
    ["garbage", (file) => writeFile(file, "\0\0\0\0"), /intent\.json: not JSON/],
    [
      "of another version",
      (file) => writeFile(file, JSON.stringify({ ...numbered(9), version: 2 })),
      /intent\.json: version: /,
    ],
    ["another program's", (file) => writeFile(file, "[]"), /intent\.json: document: /],
    [
      "missing, though there was one before it",
      (file) => rm(file),
      /intent\.json: missing, though .*intent\.previous\.json is there/,
    ],
    [
      "a directory",
      (file) =>
        rm(file)
          .then(() => mkdir(file))
          .then(() => {}),
      /intent\.json: EISDIR/,
    ],
  ];
  for (const [how, spoil, problem] of spoilt)
    test(`newest ${how}: the one before it counts, and the next write spoils neither`, async (t) => {
      const path = await written(t);
      await spoil(join(path, "intent.json"));
      const store = fileStore(path);
      const loaded = await store.load();
      assert.equal(loaded.kind, "previous");
      assert.match(loaded.kind === "previous" ? loaded.problem : "", problem);
      assert.deepEqual(loaded.kind === "previous" && loaded.intent, numbered(1));
      await store.save(numbered(3));
      assert.equal(await revisionOf(path), "found 3");
      // The good copy was not overwritten with the bad one.
      await rm(join(path, "intent.json"), { recursive: true });
      assert.equal(await revisionOf(path), "previous 1");
    });

  test("both unreadable: none, with the newest one's problem", async (t) => {
    const path = await written(t);
    for (const file of ["intent.json", "intent.previous.json"]) await writeFile(join(path, file), "{");
    const loaded = await fileStore(path).load();
    assert.equal(loaded.kind, "none");
    assert.match(loaded.problem!, /intent\.json: not JSON/);
  });

  test("an unreadable document is put aside when a new one is written, not lost", async (t) => {
    const path = await written(t);
    await writeFile(join(path, "intent.json"), '{"version": 2, "everything": "that was said"}');
    const store = fileStore(path);
    await store.load();
    await store.save(numbered(3));
    assert.match(await readFile(join(path, "intent.unreadable.json"), "utf8"), /that was said/);
    await store.save(numbered(4));
    assert.equal(await revisionOf(path), "found 4");
    await rm(join(path, "intent.json"));
    assert.equal(await revisionOf(path), "previous 3");
  });

  test("killed while writing: whatever is left beside it, the whole document before it stands", async (t) => {
    const path = await written(t);
    await writeFile(join(path, "intent.json.new"), '{"version":1,"revi');
    await writeFile(join(path, "intent.previous.json.new"), "");
    assert.equal(await revisionOf(path), "found 2");
    const store = fileStore(path);
    await store.load();
    await store.save(numbered(3));
    assert.equal(await revisionOf(path), "found 3");
    assert.deepEqual((await readdir(path)).sort(), ["intent.json", "intent.previous.json"]);
  });

  test("whatever moment a write is cut off at, a whole document is found: the old one or the new one", async (t) => {
    // Each state of the directory that one save goes through, as it would be left behind.
    const path = await written(t);
    const [two, three] = [numbered(2), numbered(3)].map((intent) => JSON.stringify(intent));
    const states: readonly Readonly<Record<string, string>>[] = [
      { "intent.json": two!, "intent.json.new": three!.slice(0, 20) },
      { "intent.json": two!, "intent.json.new": three! },
      { "intent.json": two!, "intent.json.new": three!, "intent.previous.json.new": two!.slice(0, 20) },
      { "intent.json": two!, "intent.json.new": three!, "intent.previous.json": two! },
      { "intent.json": three!, "intent.previous.json": two! },
    ];
    for (const [i, files] of states.entries()) {
      for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
      assert.equal(await revisionOf(path), i < 4 ? "found 2" : "found 3", `state ${i}`);
    }
  });
});

describe("when it cannot be written", () => {
  test("the error names the file, the reason and the remedy; what was stored stays", async (t) => {
    const path = await written(t);
    const store = fileStore(path);
    await store.load();
    await mkdir(join(path, "intent.json.new"));
    await assert.rejects(store.save(numbered(3)), (error: Error) => {
      assert.match(
        error.message,
        /^cannot write .*intent\.json: EISDIR.*; make .* writable for director, with free space \(state\.directory names it\)$/,
      );
      return true;
    });
    assert.equal(await revisionOf(path), "found 2");
    await rm(join(path, "intent.json.new"), { recursive: true });
    await store.save(numbered(4));
    assert.equal(await revisionOf(path), "found 4");
  });

  test("an unwritable directory says so", {
    skip: process.getuid?.() === 0 && "root may write everywhere",
  }, async (t) => {
    const path = await written(t);
    await chmod(path, 0o500);
    t.after(() => chmod(path, 0o700));
    await assert.rejects(fileStore(path).save(numbered(3)), /EACCES.*make .* writable for director/);
  });

  test("a path through a file says so", async (t) => {
    const path = await directory(t);
    await writeFile(join(path, "file"), "");
    await assert.rejects(fileStore(join(path, "file", "state")).save(numbered(1)), /ENOTDIR.*state\.directory/);
  });

  test("a document that could not be read back is refused, and the one before it stands", async (t) => {
    const path = await written(t);
    const store = fileStore(path);
    await store.load();
    const broken = { ...numbered(3), drains: [drain({ phase: shifting(Number.NaN) })] };
    await assert.rejects(store.save(broken), /could not be read back: the new document: drains\.0\.phase\.nextStepAt/);
    assert.equal(await revisionOf(path), "found 2");
  });
});

describe("signs of life", () => {
  test("the last beat of this boot; of another boot, or none, is nothing", async (t) => {
    const path = await directory(t);
    const store = fileStore(path);
    assert.equal(await store.lastBeat("boot-1"), undefined);
    await store.beat("boot-1", 5_000 as MonotonicMs);
    await store.beat("boot-1", 10_000 as MonotonicMs);
    assert.equal(await fileStore(path).lastBeat("boot-1"), 10_000);
    assert.equal(await fileStore(path).lastBeat("boot-2"), undefined);
  });

  test("where the boot has no name nothing is known", async (t) => {
    const store = fileStore(await directory(t));
    await store.beat("", 5_000 as MonotonicMs);
    assert.equal(await store.lastBeat(""), undefined);
  });

  test("a spoilt note is nothing", async (t) => {
    const path = await directory(t);
    for (const text of ["", "{", "null", '{"bootId":"boot-1","now":"soon"}']) {
      await writeFile(join(path, "alive.json"), text);
      assert.equal(await fileStore(path).lastBeat("boot-1"), undefined);
    }
  });

  test("the store in memory keeps both for the life of the process", async () => {
    const store = memoryStore();
    assert.deepEqual(await store.load(), { kind: "none", problem: undefined });
    await store.save(numbered(1));
    await store.beat("boot-1", 7 as MonotonicMs);
    assert.deepEqual(await store.load(), { kind: "found", intent: numbered(1) });
    assert.equal(await store.lastBeat("boot-1"), 7);
  });
});

describe("written and read back it is the same", () => {
  /** A key without a value is left out when it is written, and means the same. */
  const meant = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

  const phases: readonly DrainPhase[] = [
    { kind: "pending", since: mono(12.5) },
    shifting(60_000.25),
    draining(),
    ...(
      ["operator", "pause-at", "new-down", "capacity", "restart", "state-unwritable", "config-changed"] as const
    ).flatMap((why) => [paused(why), paused(why, { allDownSince: mono(5), was: "draining", left: 0 })]),
    ...(["done", "rolled-back", "aborted", "failed"] as const).map(ended),
  ];
  const shapes: readonly (readonly [string, Drain])[] = [
    ...phases.map(
      (phase) => [`${phase.kind}${phase.kind === "paused" ? ` ${phase.why}` : ""}`, drain({ step: 3, phase })] as const,
    ),
    [
      "with a result, a reason and a request id",
      drain({
        step: 10,
        phase: ended("done"),
        result: { given: { [key("old")]: 33.333333333333336 }, taken: {} },
        reason: "x",
        requestId: "y",
      }),
    ],
  ];
  for (const [name, each] of shapes)
    test(`a drain: ${name}`, async (t) => {
      const path = await directory(t);
      const intent = { ...numbered(1), drains: [each] };
      await fileStore(path).save(intent);
      assert.deepEqual(meant(await fileStore(path).load()), meant({ kind: "found", intent }));
    });

  const entry: ServerIntent = {
    services: [WEB, ALT],
    server: A,
    disabled: undefined,
    weight: undefined,
    stateLost: undefined,
  };
  const entries: readonly ServerIntent[] = [
    { ...entry, disabled: { ...said, until: undefined } },
    { ...entry, disabled: { ...said, reason: undefined, until: at } },
    { ...entry, weight: { ...said, value: 30, configured: 100 } },
    { ...entry, stateLost: { at } },
  ];
  test("what was said of servers", async (t) => {
    const path = await directory(t);
    for (const each of entries) {
      const intent = { ...numbered(1), servers: [each] };
      await fileStore(path).save(intent);
      assert.deepEqual(meant(await fileStore(path).load()), meant({ kind: "found", intent }));
    }
  });

  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    [
      "more steps in force than there are",
      { ...numbered(1), drains: [drain({ step: 11 })] },
      /drains\.0\.step: more steps in force/,
    ],
    ["an unknown key", { ...numbered(1), extra: 1 }, /document: .*extra/],
    ["an unknown phase", { ...numbered(1), drains: [{ ...drain(), phase: { kind: "resting" } }] }, /drains\.0\.phase/],
    [
      "a negative weight",
      { ...numbered(1), servers: [{ ...entries[2], weight: { ...said, value: -1, configured: 100 } }] },
      /servers\.0\.weight\.value/,
    ],
    ["a drain without olds", { ...numbered(1), drains: [drain({ from: [] })] }, /drains\.0\.from/],
  ];
  for (const [name, data, problem] of wrong)
    test(`refused, with its place: ${name}`, () => {
      const parsed = parseIntent(JSON.stringify(data), "intent.json");
      assert.ok(!parsed.ok);
      assert.match(parsed.error, problem);
    });
});

describe("the document changed", () => {
  const disabled = { ...said, until: undefined };

  test("an entry is found by any of its kernel entries, and takes over those of today", () => {
    const first = withServer(EMPTY_INTENT, [WEB, ALT], A, (e) => ({ ...e, disabled }));
    assert.equal(intentOf(first, [ALT], A)?.disabled, disabled);
    assert.equal(intentOf(first, ["tcp:192.0.2.99:80" as ServiceKey], A), undefined);
    assert.equal(intentOf(first, [WEB], "10.0.0.2:80" as ServerKey), undefined);
    const moved = withServer(first, [ALT, "tcp:192.0.2.11:80" as ServiceKey], A, (e) => ({ ...e, stateLost: { at } }));
    assert.equal(moved.servers.length, 1);
    assert.deepEqual(moved.servers[0], {
      services: [ALT, "tcp:192.0.2.11:80"],
      server: A,
      disabled,
      weight: undefined,
      stateLost: { at },
    });
  });

  test("an entry that says nothing any more is left out", () => {
    const said = withServer(EMPTY_INTENT, [WEB], A, (e) => ({ ...e, disabled }));
    assert.deepEqual(withServer(said, [WEB], A, (e) => ({ ...e, disabled: undefined })).servers, []);
  });

  test("a drain takes the place of the one with its id, in the order they began", () => {
    const [one, two] = [drain({ id: "d-1" }), drain({ id: "d-2" })];
    const both = withDrain(withDrain(EMPTY_INTENT, one), two);
    const stepped = { ...one, step: 1 };
    assert.deepEqual(withDrain(both, stepped).drains, [stepped, two]);
  });
});
