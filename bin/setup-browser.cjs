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
  // What Ubuntu calls chromium-browser may be a script that only tells of a snap.
  const installed = names.find((name) => starts(name, []));
  if (installed !== undefined) return { program: installed, libraries: [], fonts: [] };
  const folder = folderOf(packages, false);
  const all = path.join(folder, "usr/lib");
  if (!fs.existsSync(all)) return undefined;
  const libraries = fs
    .readdirSync(all)
    .filter((name) => name.endsWith("-linux-gnu"))
    .map((name) => path.join(all, name));
  // PulseAudio's are found by a path that is compiled into its library.
  const everywhere = libraries.concat(libraries.map((each) => path.join(each, "pulseaudio")));
  const program = path.join(all, "chromium/chromium");
  if (!starts(program, everywhere)) return undefined;
  return { program, libraries: everywhere, fonts: [path.join(folder, "usr/share/fonts")] };
};

/** Makes sure that findBrowser finds one. Where it cannot be had, says so: the tests that need it are then skipped. */
exports.prepareBrowser = function prepareBrowser(say) {
  if (process.platform !== "linux" || exports.findBrowser() !== undefined) return;
  const why = bring(say);
  if (why !== undefined) say(`*** ${why}. The status page is not tested in a browser; everything else is tested.`);
};

function bring(say) {
  if (spawnSync("apt-get", ["--version"]).status !== 0) return "there is no Chromium, and no apt-get to bring it";
  if (unpacked(packages, "the status page's tests", false, say) === undefined)
    return "there is no Chromium, and apt-get did not bring it, see above";
  return exports.findBrowser() === undefined ? "the Chromium that apt-get brought does not start here" : undefined;
}

function starts(program, libraries) {
  const env = Object.assign({}, process.env, libraries.length > 0 ? { LD_LIBRARY_PATH: libraries.join(":") } : {});
  return spawnSync(program, ["--version"], { stdio: "ignore", timeout: 20000, env: env }).status === 0;
}
