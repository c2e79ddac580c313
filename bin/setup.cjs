// npm run demo | test | test:quick | bench | deb | tarball. Brings what is missing (packages, a Node that runs TypeScript, for the lab a kernel
// and a few tools), saying so, then runs the real thing with that Node. Plain old JavaScript: whatever `node` npm runs under has to be able to read it.
"use strict";

const { spawn, spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { prepareBrowser } = require("./setup-browser.cjs");
const { prepareKeepalived } = require("./setup-keepalived.cjs");
const { prepareLab } = require("./setup-lab.cjs");
const { pathWithPromtool } = require("./setup-promtool.cjs");
const { prepareTmux } = require("./setup-tmux.cjs");

const root = path.join(__dirname, "..");
const programs = {
  demo: ["src/cli/demo.ts"],
  test: ["test/run.ts", "all"],
  "test:quick": ["test/run.ts", "quick"],
  deb: ["packaging/deb.ts"],
  tarball: ["packaging/tarball.ts"],
  bench: ["bench/probing.ts"],
};

const ourNode = `node_modules/node-${process.platform}-${process.arch}`;

const what = process.argv[2];
const args = process.argv.slice(3);
if (!Object.hasOwn(programs, what)) stop(2, `usage: node bin/setup.cjs ${Object.keys(programs).join("|")} [ARG...]`);

process.chdir(root);
installPackages();
const node = findNode();
if (what === "test") prepareBrowser(say);
if (what === "test") prepareTmux(say);
if (what === "test") prepareKeepalived(say);
const env = Object.assign({}, process.env, what === "test" ? prepareLab(say) : {});
if (what === "test") env.PATH = pathWithPromtool(say);
runThrough(node, programs[what].concat(args), env);

/** `npm ci`, unless node_modules is what package-lock.json says. */
function installPackages() {
  const difference = packagesDiffer();
  if (difference === undefined) return;
  say(`${difference}; running npm ci`);
  const npm = /npm-cli/.test(process.env.npm_execpath) && process.env.npm_execpath;
  const ci = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
  const command = npm ? [process.execPath, npm].concat(ci) : ["npm"].concat(ci);
  const done = spawnSync(command[0], command.slice(1), { stdio: "inherit" });
  if (done.error) stop(1, `npm could not be started: ${done.error.message}; run npm ci by hand`);
  if (done.status !== 0) stop(1, "npm ci failed, see above");
}

/** Compares npm's own record of what lies in node_modules with package-lock.json; a text about the first difference. */
function packagesDiffer() {
  const wanted = JSON.parse(fs.readFileSync("package-lock.json", "utf8")).packages;
  let present;
  try {
    present = JSON.parse(fs.readFileSync("node_modules/.package-lock.json", "utf8")).packages;
  } catch {
    return "the packages are not installed";
  }
  for (const name of Object.keys(wanted)) {
    if (name === "") continue;
    const short = name.replace(/^node_modules\//, "");
    const entry = present[name];
    // What is optional is left out where it is for another machine; only the Node for this one is really missed.
    const missed = !wanted[name].optional || name === ourNode;
    if (!entry && !missed) continue;
    if (!entry || !fs.existsSync(name)) return `${short} is not installed`;
    if (entry.version !== wanted[name].version || entry.integrity !== wanted[name].integrity) {
      return `${short} is ${entry.version}, package-lock.json says ${wanted[name].version}`;
    }
  }
  return undefined;
}

/** The Node that npm installed, if it runs here; else the present one, if it is new enough. */
function findNode() {
  const bundled = path.join(root, ourNode, "bin", "node");
  if (fs.existsSync(bundled) && spawnSync(bundled, ["-e", "0"]).status === 0) return bundled;
  if (parseInt(process.versions.node, 10) >= 24) return process.execPath;
  return stop(
    1,
    `needs Node 24 or later; this is ${process.version}, and npm has none for ${process.platform} on ${process.arch} ` +
      "that runs here. Install Node 24 (https://nodejs.org) and run this again.",
  );
}

/** Runs it in our place: its signals, its exit code. */
function runThrough(program, argv, environment) {
  const child = spawn(program, argv, { stdio: "inherit", env: environment });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    // A terminal's Ctrl-C reaches the child by itself; a second one would mean "at once".
    process.on(signal, () => (signal === "SIGINT" && process.stdin.isTTY) || child.kill(signal));
  }
  child.on("error", (error) => stop(1, `${program}: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function say(text) {
  console.error(`director: ${text}`);
}

function stop(code, text) {
  say(text);
  process.exit(code);
}
