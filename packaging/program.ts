import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join, relative } from "node:path";
import { checkout, type Staging, walk } from "./staging.ts";

/** Puts the program's own files into `folder`: package.json with this version, and src with its types taken off.
 *
 *  By the very function with which Node takes them off when the checkout runs: each type becomes blanks, so that every line and column stays
 *  what the tests have seen; done here, a start without compile cache costs half. */
export function putProgram(staging: Staging, folder: string, version: string): void {
  const { name, license } = readPackage(checkout);
  const described = { name, version, license, private: true, type: "module" };
  staging.put(join(folder, "package.json"), `${JSON.stringify(described, undefined, 2)}\n`);
  for (const path of walk(join(checkout, "src"))) {
    const to = join(folder, relative(checkout, path));
    if (path.endsWith(".ts")) staging.put(to.replace(/ts$/, "js"), withoutTypes(readFileSync(path, "utf8")));
    else if (/\.(js|css|html|svg)$/.test(path)) staging.put(to, readFileSync(path));
  }
}

/** The same module in JavaScript, importing the others under their new names. */
function withoutTypes(code: string): string {
  return stripped(code).replace(/(\b(?:from|import|import\(|new URL\()\s*"\.[^"\n]*)\.ts"/g, '$1.js"');
}

/** Node says of this function, each time, that it may still change; whether it did is what the tests of the package show. */
function stripped(code: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(code, { mode: "strip" });
  } finally {
    process.emitWarning = emitWarning;
  }
}

export interface PackageFile {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly author?: string | { readonly name: string };
}

export function readPackage(folder: string): PackageFile {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as PackageFile;
}
