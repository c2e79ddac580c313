import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Bench, bench } from "./support.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

/** Every file that is loaded, on stderr at the end. */
const HOOK = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  const urls = new Set();
  registerHooks({ load(url, context, next) { urls.add(url); return next(url, context); } });
  process.on("exit", () => process.stderr.write("\\nLOADED " + JSON.stringify([...urls]) + "\\n"));
`)}`;

interface Loaded {
  /** Below src. */
  readonly ours: readonly string[];
  readonly packages: readonly string[];
  readonly code: number | null;
}

/** What takes time to load is counted, not timed: a test that measures time fails on the machine that has none. */
describe("a command loads what it needs and no more", () => {
  let b: Bench;
  before(async () => {
    b = await bench();
    await b.daemon();
  });
  after(() => b.close());

  function loaded(args: readonly string[]): Loaded {
    const argv = ["--disable-warning=ExperimentalWarning", "--import", HOOK, main, "--socket", b.socket, ...args];
    const { stderr, status } = spawnSync(process.execPath, argv, { encoding: "utf8", input: "", timeout: 60_000 });
    const urls = JSON.parse(/^LOADED (.*)$/m.exec(stderr)![1]!) as readonly string[];
    const packages = urls.flatMap((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
    const ours = urls.flatMap((url) => /\/src\/(.*\.ts)$/.exec(url)?.[1] ?? []);
    return { ours, packages: [...new Set(packages)], code: status };
  }

  /** With the files of ours that it loads: some more do no harm, a parser of the file or the daemon's insides would. */
  const commands: readonly (readonly [args: readonly string[], code: number, most: number])[] = [
    [["--version"], 0, 16],
    [["status"], 0, 34],
    [["status", "--json"], 0, 34],
    [["top"], 2, 40],
    [["explain", "web", "old"], 0, 34],
    [["events"], 0, 34],
    [["drain", "list"], 0, 40],
    [["disable", "list", "a"], 0, 34],
    [["freeze", "--for", "1m"], 0, 34],
    [["completion", "bash"], 0, 16],
    [["__complete", "--", "status", ""], 0, 36],
  ];
  for (const [args, code, most] of commands)
    test(`director ${args.join(" ")}: commander, and at most ${most} files`, () => {
      const seen = loaded(args);
      assert.equal(seen.code, code);
      assert.deepEqual(seen.packages, ["commander"]);
      assert.ok(seen.ours.length <= most, `${seen.ours.length} files: ${seen.ours.join(" ")}`);
      const heavy = seen.ours.filter((file) => /^(config|probe|state|kernel|hooks|import|page|doctor)\//.test(file));
      assert.deepEqual(heavy, []);
    });

  test("the hook sees what is loaded: config test needs the parser", () => {
    const { packages } = loaded(["config", "test", b.conf]);
    assert.ok(packages.includes("yaml") && packages.includes("zod"), packages.join(" "));
  });
});
