import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, test } from "node:test";

const root = join(import.meta.dirname, "..");

/** What each folder may import from: folders, or single files of one. Arrows go one way; `type` in front: types only.
 *
 *  The pure part decides and knows nobody: model, then config, health and ipvs, then policy. Around it are those who touch the world, each by
 *  itself: runtime, kernel, probe, state. The director brings them together; control and observe tell others of it; cli starts it all. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  model: [],
  config: ["model"],
  health: ["model"],
  ipvs: ["model"],
  policy: ["model", "health", "ipvs"],
  runtime: ["model"],
  kernel: ["model", "ipvs", "runtime"],
  // A probe type reads its own keys as the rest of the file is read; the engine keeps each check's state by health's rules.
  probe: ["model", "config/scalars.ts", "health", "runtime"],
  // What is stored is the policy's own document.
  state: ["model", "type policy"],
  director: [
    "model",
    "health",
    "ipvs",
    "policy",
    "probe/engine.ts",
    "type kernel",
    "type state",
    "type runtime",
    "runtime/in-turns.ts",
    "type control/shapes.ts",
  ],
  control: ["model", "type ipvs", "policy", "director", "state/intent.ts", "type runtime"],
  // Told of events, and of nothing else: they know neither the director nor the table.
  hooks: ["model", "runtime", "type director/events.ts", "type control/shapes.ts"],
  // What it collects is plain data; what it makes of that is pure, see below.
  doctor: ["model", "ipvs", "runtime/run-command.ts"],
  // The status page: what it shows and its files. It knows what the status says, and nothing else.
  page: [
    "type model",
    "type runtime",
    "type control/shapes.ts",
    "type control/door.ts",
    "control/http.ts",
    "type director/events.ts",
  ],
  observe: ["model", "type director/events.ts"],
  // What other programs' files mean; addresses, netmasks and host names are read as director itself reads them.
  import: ["model", "config/addresses.ts", "config/service-keys.ts", "probe/host-name.ts"],
  cli: [
    "import",
    "model",
    "type ipvs",
    "config",
    "policy",
    "kernel",
    "probe",
    "state",
    "runtime",
    "director",
    "control",
    "observe",
    "doctor",
    "hooks",
    "page",
  ],
  "main.ts": ["cli"],
};

/** Who may use what is not ours. Anything that is not here nobody may. */
const MAY_USE: Readonly<Record<string, readonly string[]>> = {
  zod: ["config", "control", "probe", "state", "type model", "doctor"],
  yaml: ["config", "cli", "import"],
  "ipaddr.js": ["config"],
  commander: ["cli"],
  pino: ["observe"],
  undici: ["probe", "hooks"],
  "node:module": ["probe/undici.ts"],
  "json-p3": ["probe/json-path.ts"],
  "dns-packet": ["probe"],
  "p-limit": ["probe", "hooks"],
  "node:child_process": ["runtime/run-command.ts"],
  "node:net": ["model/address.ts", "probe", "hooks/webhook.ts", "control", "cli"],
  "node:dgram": ["probe"],
  "node:vm": ["probe/bounded.ts"],
  "node:tls": ["probe", "hooks/webhook.ts"],
  "node:http": ["control", "cli"],
  "node:http2": ["probe"],
  "node:fs": [
    "runtime",
    "state",
    "control",
    "cli",
    "probe/pem-files.ts",
    "doctor/collect.ts",
    "doctor/processes.ts",
    "page/assets.ts",
  ],
  "node:fs/promises": ["kernel/ipvsadm.ts", "state"],
  "node:path": ["runtime", "state", "control", "cli", "doctor/collect.ts", "doctor/processes.ts", "page/assets.ts"],
  "node:util": ["observe", "cli"],
  "node:os": ["cli"],
  "node:crypto": ["cli", "config/checks.ts", "runtime/chance.ts", "probe/pem-files.ts", "page/assets.ts"],
  "node:buffer": ["cli"],
  "node:worker_threads": ["cli"],
  "node:events": ["cli"],
  "node:readline": ["cli/terminal.ts"],
  "node:timers/promises": ["cli/metrics.ts"],
  "node:perf_hooks": ["runtime/process-numbers.ts"],
};

const PURE = ["model", "config", "health", "ipvs", "policy", "import"];

/** Real time and chance, of which there is one source, so that tests can bring their own. */
const TIME =
  /\b(Date\.now|new Date\(\)|performance\.now|hrtime|setTimeout|setInterval|Math\.random|randomBytes|randomUUID)\b/;
const MAY_TELL_TIME = ["runtime", "cli"];
/** What no pure code touches. */
const WORLD = /\b(process\.|setImmediate|queueMicrotask|console\.|fetch\(|globalThis|await |async )/;

interface Import {
  readonly path: string;
  readonly typeOnly: boolean;
}

interface Source {
  /** Below src: `policy/drain.ts`. */
  readonly file: string;
  readonly folder: string;
  readonly code: string;
  readonly imports: readonly Import[];
}

const sources: readonly Source[] = globSync(join(root, "src/**/*.ts")).map((path) => {
  const file = relative(join(root, "src"), path);
  const code = readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
  return { file, folder: file.split("/")[0]!, code, imports: importsOf(file, code) };
});

function importsOf(file: string, code: string): readonly Import[] {
  const found = code.matchAll(/^(?:import|export)\s+(type\s+)?([^"';]*?from\s+)?"([^"]+)"/gm);
  return Array.from(found, ([, type, names = "", target = ""]) => {
    const listed =
      /\{([^}]*)\}/
        .exec(names)?.[1]
        ?.split(",")
        .filter((name) => name.trim() !== "") ?? [];
    const typeOnly =
      type !== undefined || (listed.length > 0 && listed.every((name) => name.trim().startsWith("type ")));
    return { path: target.startsWith(".") ? join(dirname(file), target) : target, typeOnly };
  });
}

const isOurs = ({ path }: Import): boolean => !path.startsWith("node:") && path.endsWith(".ts");

/** Whether a rule (`type policy`, `probe/engine.ts`) covers this path. */
function covers(rule: string, path: string, typeOnly: boolean): boolean {
  const [, type, name = ""] = /^(type )?(.*)$/.exec(rule)!;
  return (type === undefined || typeOnly) && (path === name || path.startsWith(`${name}/`));
}

describe("who imports whom", () => {
  test("every folder is in the table", () => {
    assert.deepEqual([...new Set(sources.map((s) => s.folder))].sort(), Object.keys(MAY_IMPORT).sort());
  });

  for (const [folder, rules] of Object.entries(MAY_IMPORT))
    test(`${folder} -> ${rules.join(", ") || "nobody"}`, () => {
      const wrong = sources
        .filter((source) => source.folder === folder)
        .flatMap((source) =>
          source.imports
            .filter((each) => isOurs(each) && each.path.split("/")[0] !== folder)
            .filter((each) => !rules.some((rule) => covers(rule, each.path, each.typeOnly)))
            .map((each) => `${source.file} imports ${each.path}${each.typeOnly ? " (types)" : ""}`),
        );
      assert.deepEqual(wrong, []);
    });

  test("what the table allows is needed: a rule that nobody uses is taken out", () => {
    const unused = Object.entries(MAY_IMPORT).flatMap(([folder, rules]) =>
      rules
        .filter(
          (rule) =>
            !sources.some((s) => s.folder === folder && s.imports.some((i) => isOurs(i) && covers(rule, i.path, true))),
        )
        .map((rule) => `${folder} -> ${rule}`),
    );
    assert.deepEqual(unused, []);
  });

  test("packages and parts of node only where they belong", () => {
    const wrong = sources.flatMap((source) =>
      source.imports
        .filter((each) => !isOurs(each))
        .filter((each) => !(MAY_USE[each.path] ?? []).some((rule) => covers(rule, source.file, each.typeOnly)))
        .map((each) => `${source.file} imports ${each.path}`),
    );
    assert.deepEqual(wrong, []);
  });

  test("no circle of files that need each other to be loaded", () => {
    const needs = new Map(
      sources.map((s) => [s.file, s.imports.filter((i) => isOurs(i) && !i.typeOnly).map((i) => i.path)]),
    );
    const done = new Set<string>();
    const visit = (file: string, way: readonly string[]): void => {
      assert.ok(!way.includes(file), `circle: ${[...way.slice(way.indexOf(file)), file].join(" -> ")}`);
      if (done.has(file)) return;
      for (const next of needs.get(file) ?? []) visit(next, [...way, file]);
      done.add(file);
    };
    for (const file of needs.keys()) visit(file, []);
  });

  test("whatever is imported is there", () => {
    const files = new Set(sources.map((s) => s.file));
    const lost = sources.flatMap((s) =>
      s.imports.filter((i) => isOurs(i) && !files.has(i.path)).map((i) => `${s.file}: ${i.path}`),
    );
    assert.deepEqual(lost, []);
  });
});

describe("where the world is touched", () => {
  const using = (word: RegExp, folders: (folder: string) => boolean): readonly string[] =>
    sources
      .filter((source) => folders(source.folder))
      .flatMap((source) => {
        const line = source.code.split("\n").find((each) => word.test(each));
        return line === undefined ? [] : [`${source.file}: ${line.trim()}`];
      });

  test("time and chance come from runtime", () => {
    assert.deepEqual(
      using(TIME, (folder) => !MAY_TELL_TIME.includes(folder)),
      [],
    );
  });

  test("the doctor touches the system where it collects its facts, and nowhere else", () => {
    const hands = ["doctor/collect.ts", "doctor/processes.ts"];
    const wrong = sources.filter((s) => s.folder === "doctor" && !hands.includes(s.file) && WORLD.test(s.code));
    assert.deepEqual(
      wrong.map((s) => s.file),
      [],
    );
  });

  test(`${PURE.join(", ")} are pure: nothing is awaited, scheduled, printed or asked of the process`, () => {
    assert.deepEqual(
      using(WORLD, (folder) => PURE.includes(folder)),
      [],
    );
  });
});
