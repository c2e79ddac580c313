// Brings the browser that the status page is tested in: the one that is installed, else Debian's Chromium, unpacked (and not installed) below
// ~/.cache/director-lab.
"use strict";

const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { folderOf, unpacked } = require("./setup-lab.cjs");

/** It must not depend on the fonts that a machine happens to have: on a server there are none. */
const packages = ["chromium", "fonts-inter", "fonts-dejavu-core"];
const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** `{ program, libraries, fonts }`: where its libraries and fonts are, none for one that is installed. undefined: there is none that starts. */
exports.findBrowser = function findBrowser() {
  for (const name of names) {
    // What Ubuntu calls chromium-browser may be a script that only tells of a snap.
    if (spawnSync(name, ["--version"], { stdio: "ignore", timeout: 20000 }).status === 0) {
      return { program: name, libraries: [], fonts: [] };
    }
  }
  const folder = folderOf(packages, false);
  const program = path.join(folder, "usr/lib/chromium/chromium");
  if (!fs.existsSync(program)) return undefined;
  const all = path.join(folder, "usr/lib");
  const libraries = fs
    .readdirSync(all)
    .filter((name) => name.endsWith("-linux-gnu"))
    .map((name) => path.join(all, name));
  // PulseAudio's are found by a path that is compiled into its library.
  const deeper = libraries.map((each) => path.join(each, "pulseaudio"));
  return { program, libraries: libraries.concat(deeper), fonts: [path.join(folder, "usr/share/fonts")] };
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
