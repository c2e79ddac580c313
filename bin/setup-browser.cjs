// Brings the browser that the status page is tested in: the one that is installed, else Debian's Chromium, unpacked (and not installed) below
// ~/.cache/director-lab.
"use strict";

const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { folderOf, unpacked } = require("./setup-lab.cjs");

/** It must not depend on the fonts that a machine happens to have: on a server there are none. */
const packages = ["chromium", "fonts-dejavu-core"];
const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** `{ program, folder }`; `folder` is where its libraries and fonts are, undefined for one that is installed. undefined: there is none. */
exports.findBrowser = function findBrowser() {
  for (const folder of (process.env.PATH || "").split(path.delimiter)) {
    for (const name of names) {
      const program = path.join(folder, name);
      if (folder !== "" && fs.existsSync(program)) return { program, folder: undefined };
    }
  }
  const folder = folderOf(packages, false);
  const program = path.join(folder, "usr/lib/chromium/chromium");
  return fs.existsSync(program) ? { program, folder } : undefined;
};

/** Makes sure that findBrowser finds one. Where it cannot be had, says so: the tests that need it are then skipped. */
exports.prepareBrowser = function prepareBrowser(say) {
  if (process.platform !== "linux" || exports.findBrowser() !== undefined) return;
  const why =
    spawnSync("apt-get", ["--version"]).status !== 0
      ? "there is no Chromium, and no apt-get to bring it"
      : unpacked(packages, "the status page's tests", false, say) === undefined
        ? "there is no Chromium, and apt-get did not bring it, see above"
        : undefined;
  if (why !== undefined) say(`*** ${why}. The status page is not tested in a browser; everything else is tested.`);
};
