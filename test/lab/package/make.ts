import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { buildDeb } from "../../../packaging/deb.ts";
import { buildTarball } from "../../../packaging/tarball.ts";
import { LabUnavailable } from "../lab.ts";

/** An older and a newer version; their bytes differ in nothing else. */
export const OLD = "0.0.1";
export const NEW = "0.0.2";

/** Both as .deb, packed so that it is quick rather than small. */
export function makeDebs(folder: string): void {
  need("dpkg-deb", "strip", "readelf");
  for (const version of [OLD, NEW])
    buildDeb(["--version", version, "--out", folder, "--compress", "zstd", "--level", "1"]);
}

/** Both as tarballs, unpacked: tar is not what is tested. */
export function makeTarballs(folder: string): void {
  need("tar", "gzip", "strip");
  for (const version of [OLD, NEW]) {
    const tarball = buildTarball(["--version", version, "--out", folder, "--level", "1"]);
    const { status, stderr } = spawnSync("tar", ["-C", folder, "-xzf", tarball], { encoding: "utf8" });
    if (status !== 0) throw new Error(`tar: ${stderr}`);
  }
}

export const unpacked = (folder: string, version: string): string => join(folder, `director-${version}-linux-x64`);

function need(...tools: readonly string[]): void {
  const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  if (missing.length > 0) throw new LabUnavailable(`no package can be built without ${missing.join(", ")}`);
}
