import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { bootLab, type LabOptions, LabUnavailable, type Topology } from "./lab.ts";
import type { Told, Verdict } from "./report.ts";

type Machine = Pick<LabOptions, "topology" | "servers" | "systemd" | "timeoutSec" | "memoryMb">;

/** Reads the machine a scenario asks for from the line `// lab: topology=flat servers=2 systemd timeout=90 memory=2048` near its top; each word
 *  may be left out, the line may not.
 *  @throws Error naming the file and the word it does not know. */
export function machineOf(file: string): Machine {
  const line = /^\/\/ lab:(.*)$/m.exec(readFileSync(file, "utf8"));
  if (line === null) throw new Error(`${file}: no line "// lab: ..." says what machine it needs`);
  const machine: { -readonly [K in keyof Machine]: Machine[K] } = {};
  for (const word of line[1]!.trim().split(/\s+/).filter(Boolean)) {
    const [name, value = ""] = word.split("=");
    if (name === "prepare" && value !== "") continue;
    if (name === "topology" && ["routed", "flat", "none"].includes(value)) machine.topology = value as Topology;
    else if (name === "systemd" && value === "") machine.systemd = true;
    else if (name === "servers" && Number(value) > 0) machine.servers = Number(value);
    else if (name === "timeout" && Number(value) > 0) machine.timeoutSec = Number(value);
    else if (name === "memory" && Number(value) > 0) machine.memoryMb = Number(value);
    else throw new Error(`${file}: "// lab:" does not know ${word}`);
  }
  return machine;
}

/** What a scenario has had made outside, before its machine starts. */
export interface Prepared extends Disposable {
  /** LAB_PREPARED: the folder it lies in, where the guest sees it too. */
  readonly env: Readonly<Record<string, string>>;
}

/** Where a scenario's line `// lab:` has `prepare=FILE`: has that module beside it fill a folder, by its `prepare(folder)`, in this process.
 *  The folder is gone when this is disposed of.
 *  @throws LabUnavailable, from `prepare`, where this host cannot make it. */
export async function prepared(file: string | undefined): Promise<Prepared> {
  const [, name] = (file && /^\/\/ lab:.* prepare=(\S+)/m.exec(readFileSync(file, "utf8"))) || [];
  if (file === undefined || name === undefined) return { env: {}, [Symbol.dispose]() {} };
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "director-lab-prepared-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const { prepare } = (await import(join(dirname(file), name))) as Preparation;
    await prepare(folder);
  } catch (error) {
    remove();
    throw error;
  }
  return { env: { LAB_PREPARED: folder }, [Symbol.dispose]: remove };
}

interface Preparation {
  readonly prepare: (folder: string) => Promise<void> | void;
}

/** Scenarios that may be run a second time, in one run of all tests. Their clocks are real and their host may be busy with anything: one that fails
 *  is told in full and gets one more try. What fails twice has failed, and so has whatever comes after this many. */
let secondRuns = 3;

/** Runs one scenario program in a machine of its own, with our variables LAB_*; each of its steps becomes a subtest of `t`, while it happens.
 *  Skips `t` where no machine can run. */
export async function runScenario(t: TestContext, file: string): Promise<void> {
  if (secondRuns === 0) return attempt(t, file, "last");
  try {
    return await attempt(t, file, "first");
  } catch (error) {
    if (!(error instanceof Error) || secondRuns-- <= 0) throw error;
    t.diagnostic(`*** ${t.name} failed and is run once more: ${error.stack ?? error.message}`);
  }
  await attempt(t, file, "last");
}

async function attempt(t: TestContext, file: string, which: "first" | "last"): Promise<void> {
  const steps = mirror(t, which);
  const machine = machineOf(file);
  const reporter = join(import.meta.dirname, "report.ts");
  try {
    using made = await prepared(file);
    const result = await bootLab({
      ...machine,
      command: [process.execPath, `--test-reporter=${reporter}`, file],
      env: {
        ...Object.fromEntries(
          Object.entries(process.env).flatMap(([k, v]) => (k.startsWith("LAB_") ? [[k, v ?? ""]] : [])),
        ),
        ...made.env,
      },
      signal: t.signal,
      onReport: steps.take,
    });
    const failures = await steps.finish(
      result.timedOut ? "the scenario's time was over" : "the scenario ended in the midst of this",
    );
    const said = [result.stdout, result.stderr].filter((text) => text.trim() !== "").join("\n");
    if (result.timedOut) throw new Error(`the scenario took longer than its ${machine.timeoutSec ?? 120} s\n${said}`);
    if (result.code !== 0)
      throw new Error(`exit ${result.code}, ${failures} steps failed\n${steps.errors().join("\n")}\n${said}`);
    if (steps.count() === 0) throw new Error(`the scenario has no steps\n${said}`);
  } catch (error) {
    await steps.finish("the machine ended in the midst of this");
    if (!(error instanceof LabUnavailable) || process.env.DIRECTOR_LAB === "required") throw error;
    t.skip(error.message.split("\n")[0]);
  }
}

interface Node {
  readonly context: Promise<TestContext>;
  readonly settle: (verdict: Verdict) => void;
}

/** Repeats the tests that run inside as subtests outside. In a first attempt what failed is shown as skipped: it has another chance. */
function mirror(t: TestContext, which: "first" | "last") {
  const open: Node[] = [];
  const errors: string[] = [];
  const shown = (verdict: Verdict): Verdict => {
    if (verdict.kind !== "fail") return verdict;
    errors.push(verdict.error);
    return which === "last"
      ? verdict
      : { kind: "skip", reason: `FAILED in the first run: ${verdict.error.split("\n")[0]}` };
  };
  const subtests: Promise<void>[] = [];
  let rest = "";
  let failures = 0;
  const start = (nesting: number, name: string) => {
    const parent = open[nesting - 1]?.context ?? Promise.resolve(t);
    const verdict = Promise.withResolvers<Verdict>();
    const context = Promise.withResolvers<TestContext>();
    open[nesting] = { context: context.promise, settle: verdict.resolve };
    const body = async (inner: TestContext) => {
      context.resolve(inner);
      const v = await verdict.promise;
      if (v.kind === "skip") inner.skip(v.reason);
      if (v.kind === "fail") throw new InsideFailure(v.error);
    };
    subtests.push(parent.then((p) => p.test(name, body)));
  };
  return {
    count: () => subtests.length,
    errors: () => errors,
    take(text: string): void {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const told = JSON.parse(line) as Told;
        if (told.kind === "start") start(told.nesting, told.name);
        else if (told.kind === "note") t.diagnostic(told.text);
        else {
          if (told.verdict.kind === "fail") failures++;
          open[told.nesting]?.settle(shown(told.verdict));
          open.length = told.nesting;
        }
      }
    },
    /** Fails what is still open, with this reason, and waits for all subtests; how many failed. */
    async finish(reason: string): Promise<number> {
      failures += open.length;
      for (const node of open.splice(0)) node.settle(shown({ kind: "fail", error: reason }));
      await Promise.all(subtests);
      return failures;
    },
  };
}

/** A failure inside; its stack is the one from there. */
class InsideFailure extends Error {
  constructor(told: string) {
    super(told.split("\n")[0]);
    this.name = "failed in the lab";
    this.stack = told;
  }
}
