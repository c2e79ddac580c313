// Brings promtool, which judges metrics and alerts: the one that is installed, else that of Debian's package prometheus, unpacked (and not installed:
// its daemon would be started) below ~/.cache/director-lab.
"use strict";

const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { folderOf, unpacked } = require("./setup-lab.cjs");

const packages = ["prometheus"];

/** Returns the PATH in which the tests find promtool. Where it cannot be had, says so: the tests that need it are then skipped. */
exports.pathWithPromtool = function pathWithPromtool(say) {
  const here = process.env.PATH || "";
  if (process.platform !== "linux") return here;
  const installed = here.split(path.delimiter).some((folder) => folder !== "" && present(folder));
  if (installed) return here;
  const folder = path.join(folderOf(packages, false), "usr/bin");
  if (!present(folder) && !brought(say)) return here;
  return [here, folder].join(path.delimiter);
};

function present(folder) {
  return fs.existsSync(path.join(folder, "promtool"));
}

function brought(say) {
  const apt = spawnSync("apt-get", ["--version"]).status === 0;
  if (apt && unpacked(packages, "the tests of metrics and alerts", false, say) !== undefined) return true;
  say(`*** there is no promtool, and ${apt ? "apt-get did not bring it, see above" : "no apt-get to bring it"}.`);
  say("*** Metrics and alerts are judged by our own reader only; everything else is tested.");
  return false;
}
