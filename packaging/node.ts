import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readPackage } from "./program.ts";
import { checkout, type Staging } from "./staging.ts";

export type Architecture = "x64" | "arm64";

/** The Node of node_modules: the very version that the tests ran with. */
export interface Runtime {
  readonly version: string;
  readonly file: string;
  readonly licence: string;
}

/** @throws Error saying how to bring it. */
export function runtimeFor(architecture: Architecture): Runtime {
  const folder = join(checkout, "node_modules", `node-linux-${architecture}`);
  const file = join(folder, "bin/node");
  if (!existsSync(file)) {
    throw new Error(`there is no ${file}: npm ci --include=optional --cpu=${architecture} --os=linux brings it`);
  }
  return {
    version: readPackage(folder).version,
    file,
    licence: readFileSync(join(folder, "LICENSE"), "utf8").trim(),
  };
}

/** Without its symbols a Node is 12 MB smaller, and does the same. */
export function putStripped(staging: Staging, path: string, { file }: Runtime): void {
  const to = staging.place(path);
  const ran = spawnSync("strip", ["--strip-all", "--remove-section=.comment", "-o", to, file], { encoding: "utf8" });
  if (ran.error !== undefined) throw new Error(`strip is missing: apt-get install binutils`, { cause: ran.error });
  if (ran.status !== 0) {
    throw new Error(`strip: ${ran.stderr.trim()} (for another architecture: apt-get install binutils-multiarch)`);
  }
}

/** Which package of Debian has each library that a Node may be linked with. */
const PACKAGE_OF: Readonly<Record<string, string>> = {
  "libc.so.6": "libc6",
  "libm.so.6": "libc6",
  "libdl.so.2": "libc6",
  "libpthread.so.0": "libc6",
  "librt.so.1": "libc6",
  "ld-linux-x86-64.so.2": "libc6",
  "ld-linux-aarch64.so.1": "libc6",
  "libgcc_s.so.1": "libgcc-s1",
  "libstdc++.so.6": "libstdc++6",
  "libatomic.so.1": "libatomic1",
};

/** What this Node needs of the system, in the words of a Debian control file: `libc6 (>= 2.28)`.
 *  @throws Error naming a library that nobody has thought of yet. */
export function sharedLibraries({ file }: Runtime): readonly string[] {
  const read = (option: string) =>
    execFileSync("readelf", [option, "--wide", file], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  const needed = Array.from(read("--dynamic").matchAll(/\(NEEDED\).*\[(.+)\]/g), ([, name]) => name!);
  const unknown = needed.filter((name) => PACKAGE_OF[name] === undefined);
  if (needed.length === 0 || unknown.length > 0) throw new Error(`${file} needs ${unknown.join(", ") || "no library"}`);
  const versions = Array.from(read("--version-info").matchAll(/Name: GLIBC_(\d+)\.(\d+)/g), ([, major, minor]) => [
    Number(major),
    Number(minor),
  ]);
  const [major, minor] = versions.sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!).at(-1)!;
  const packages = [...new Set(needed.map((name) => PACKAGE_OF[name]!))].sort();
  return packages.map((name) => (name === "libc6" ? `libc6 (>= ${major}.${minor})` : name));
}
