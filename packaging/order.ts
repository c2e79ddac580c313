import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { putLayout, sourceDate } from "./layout.ts";
import { type Architecture, type Runtime, runtimeFor } from "./node.ts";
import { readPackage } from "./program.ts";
import { checkout, type Staging, stagingIn } from "./staging.ts";

/** What is to be built. */
export interface Order {
  readonly version: string;
  readonly architecture: Architecture;
  /** Folder for the package. */
  readonly out: string;
  readonly epochSec: number;
}

/** Reads what `npm run deb -- …` and `npm run tarball -- …` have in common; `more` are options of one kind of package.
 *  @throws Error with what is wrong in one line. */
export function orderFrom<N extends string>(
  args: readonly string[],
  more: Readonly<Record<N, string>>,
): Order & { readonly more: Readonly<Record<N, string>> } {
  const names = Object.keys(more) as N[];
  const { values } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      ["version", "arch", "out", ...names].map((name) => [name, { type: "string" } as const]),
    ),
  });
  const value = (name: string) => values[name] as string | undefined;
  const {
    version = readPackage(checkout).version,
    arch = process.arch,
    out = join(checkout, "dist"),
  } = values as Record<string, string>;
  if (!/^\d[A-Za-z0-9.+~]*$/.test(version)) throw new Error(`--version ${version}: not a version such as 1.2.3`);
  if (arch !== "x64" && arch !== "arm64") throw new Error(`--arch ${arch}: x64 or arm64`);
  return {
    version,
    architecture: arch,
    out: resolve(out),
    epochSec: sourceDate(),
    more: Object.fromEntries(names.map((name) => [name, value(name) ?? more[name]])) as Record<N, string>,
  };
}

/** Lays out what the order asks for in a folder of its own, has it packed, and returns where the package is; `name` is its file's. */
export function build(
  order: Order,
  name: string,
  pack: (staging: Staging, runtime: Runtime, to: string) => void,
): string {
  const runtime = runtimeFor(order.architecture);
  const work = mkdtempSync(join(tmpdir(), "director-package-"));
  try {
    const staging = stagingIn(join(work, "root"), order.epochSec);
    putLayout(staging, runtime, order.version);
    mkdirSync(order.out, { recursive: true });
    const to = join(order.out, name);
    pack(staging, runtime, to);
    return to;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
