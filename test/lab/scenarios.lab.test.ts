import { globSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { machineOf, runScenario } from "./scenario.ts";

// Every *.lab.ts below this folder, each in a machine of its own. LAB_ONLY=drain,recipes/00 runs those with one of these in their path.
const parts = (process.env.LAB_ONLY ?? "").split(",");
const files = globSync("**/*.lab.ts", { cwd: import.meta.dirname }).sort();
// The longest first: one that begins last runs alone.
const patience = (file: string) => machineOf(join(import.meta.dirname, file)).timeoutSec ?? 0;
const wanted = files
  .filter((file) => parts.some((part) => `test/lab/${file}`.includes(part)))
  .sort((a, b) => patience(b) - patience(a));

describe("in the lab, on the kernel's own IPVS", { concurrency: 2 }, () => {
  for (const file of wanted) {
    test(file.replace(/\.lab\.ts$/, ""), (t) => runScenario(t, join(import.meta.dirname, file)));
  }
});
