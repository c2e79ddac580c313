// Brings tmux, the terminal that `director top` and the shells' completion are tested in: the one that is installed, else Debian's, unpacked (and
// not installed) below ~/.cache/director-lab.
"use strict";

const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { folderOf, unpacked } = require("./setup-lab.cjs");

const packages = ["tmux"];

/** `{ program, libraries }`; `libraries` is where the loader finds them, undefined for one that is installed. undefined: there is none. */
exports.findTmux = function findTmux() {
  for (const folder of (process.env.PATH || "").split(path.delimiter)) {
    const program = path.join(folder, "tmux");
    if (folder !== "" && fs.existsSync(program)) return { program, libraries: undefined };
  }
  const folder = folderOf(packages, false);
  const program = path.join(folder, "usr/bin/tmux");
  const libraries = path.join(folder, "usr/lib", process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu");
  return fs.existsSync(program) ? { program, libraries } : undefined;
};

/** Makes sure that findTmux finds one. Where it cannot be had, says so: the tests that need it are then skipped. */
exports.prepareTmux = function prepareTmux(say) {
  if (process.platform !== "linux" || exports.findTmux() !== undefined) return;
  const why =
    spawnSync("apt-get", ["--version"]).status !== 0
      ? "there is no tmux, and no apt-get to bring it"
      : unpacked(packages, "the tests of director top", false, say) === undefined
        ? "there is no tmux, and apt-get did not bring it, see above"
        : undefined;
  if (why !== undefined) say(`*** ${why}. director top is not tested on a terminal; everything else is tested.`);
};
