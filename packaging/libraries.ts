import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { type PackageFile, readPackage } from "./program.ts";
import { checkout, type Staging, walk } from "./staging.ts";

/** A package of npm that director runs with. */
export interface Library extends PackageFile {
  /** Below the checkout: `node_modules/zod`. */
  readonly folder: string;
  /** The text of its licence, as it came. */
  readonly licence: string;
}

interface Locked {
  readonly version: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/** What package-lock.json says runs in production, read from node_modules; the Node itself is not among them.
 *  @throws Error naming a package that is missing, of another version than the lock's, or without a licence. */
export function libraries(): readonly Library[] {
  const lock = JSON.parse(readFileSync(join(checkout, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  return Object.entries(lock.packages)
    .filter(([folder, { dev, optional }]) => folder !== "" && !dev && !optional)
    .map(([folder, { version }]) => {
      const file = existsSync(join(checkout, folder)) ? readPackage(join(checkout, folder)) : undefined;
      if (file?.version !== version) {
        throw new Error(`${folder} is ${file?.version ?? "missing"}, package-lock.json says ${version}: npm ci`);
      }
      return { ...file, folder, licence: licenceIn(folder) };
    })
    .sort((a, b) => (a.folder < b.folder ? -1 : 1));
}

const LICENCE = /^(licen[cs]e|copying|notice)(\.(md|txt))?$/i;

/** The licence's text in a folder of node_modules. */
export function licenceIn(folder: string): string {
  const names = readdirSync(join(checkout, folder))
    .filter((name) => LICENCE.test(name))
    .sort();
  if (names.length === 0) throw new Error(`${folder} has no licence: it cannot be passed on`);
  return names.map((name) => readFileSync(join(checkout, folder, name), "utf8").trim()).join("\n\n");
}

/** Of each library, what a program can load. Its licence stands in the package's copyright file. */
export function putLibraries(staging: Staging, folder: string): void {
  for (const library of libraries()) {
    const from = join(checkout, library.folder);
    for (const path of walk(from)) {
      if (isLoaded(relative(from, path)) && !path.slice(from.length).includes("/node_modules/")) {
        staging.put(join(folder, relative(checkout, path)), readFileSync(path));
      }
    }
  }
}

/** Folders at the top of a package that nothing at run time comes from: its tests, its types, its builds for browsers. */
const ASIDE = /^(test|tests|fixtures|bench|benchmarks|example|examples|docs|types|scripts|build|browser)\//;
const ASIDE_FILE =
  /^(bench|check|example|browser|bin|eslint\.config)\.[a-z]+$|\.(browser|iife)(\.min)?\.js$|\.min\.js$/;

function isLoaded(path: string): boolean {
  return (
    /\.(js|cjs|mjs|json|wasm)$/.test(path) && !ASIDE.test(path) && !ASIDE_FILE.test(path) && path !== "tsconfig.json"
  );
}
