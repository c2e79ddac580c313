// Brings keepalived, beside which imported files are run in the lab: the one that is installed, else Debian's, unpacked (and not installed: the package
// would start it) below ~/.cache/director-lab.
"use strict";

const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { folderOf, unpacked } = require("./setup-lab.cjs");

const packages = ["keepalived"];

/** `{ program, libraries }`; `libraries` is where the loader finds them, undefined for one that is installed. undefined: there is none that starts. */
exports.findKeepalived = function findKeepalived() {
  for (const folder of (process.env.PATH || "").split(path.delimiter).concat("/usr/sbin", "/usr/local/sbin")) {
    const program = path.join(folder, "keepalived");
    if (folder !== "" && fs.existsSync(program) && starts(program, undefined)) return { program, libraries: undefined };
  }
  const folder = folderOf(packages, false);
  const program = path.join(folder, "usr/sbin/keepalived");
  const libraries = path.join(folder, "usr/lib/x86_64-linux-gnu");
  return fs.existsSync(program) && starts(program, libraries) ? { program, libraries } : undefined;
};

/** Makes sure that findKeepalived finds one, where the lab can run at all. Where it cannot be had, says so: the scenarios that need it are then
 *  skipped. */
exports.prepareKeepalived = function prepareKeepalived(say) {
  if (process.platform !== "linux" || process.arch !== "x64" || exports.findKeepalived() !== undefined) return;
  const why = bring(say);
  if (why !== undefined) say(`*** ${why}. Imported files are not run beside it; everything else is tested.`);
};

function bring(say) {
  if (spawnSync("apt-get", ["--version"]).status !== 0) return "there is no keepalived, and no apt-get to bring it";
  if (unpacked(packages, "the tests of import", false, say) === undefined)
    return "there is no keepalived, and apt-get did not bring it, see above";
  return exports.findKeepalived() === undefined ? "the keepalived that apt-get brought does not start here" : undefined;
}

function starts(program, libraries) {
  const env = Object.assign({}, process.env, libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries });
  return spawnSync(program, ["--version"], { stdio: "ignore", timeout: 20000, env: env }).status === 0;
}
