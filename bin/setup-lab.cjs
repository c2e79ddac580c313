// Brings the packages of Debian that the lab is made of: by apt-get install as root, else (and without touching the system) unpacked below
// ~/.cache/director-lab. DIRECTOR_LAB_CACHE=1 takes the second way for all of them, installed or not.
"use strict";

const { spawnSync } = require("node:child_process");
const crypto = require("node:crypto");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

/** What is needed of each package; it is there when that file is. */
const needed = {
  "user-mode-linux": "/usr/bin/linux.uml",
  ipvsadm: "/usr/sbin/ipvsadm",
  kmod: "/usr/bin/kmod",
  iproute2: "/usr/bin/ip",
  iptables: "/usr/sbin/xtables-legacy-multi",
  ipset: "/usr/sbin/ipset",
  procps: "/usr/sbin/sysctl",
  systemd: "/usr/lib/systemd/systemd",
};

/** Returns what the tests need in their environment. Where the lab cannot be had, says so: its scenarios are then skipped. */
exports.prepareLab = function prepareLab(say) {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return without(say, `the lab runs on Linux on x64 only, this is ${process.platform} on ${process.arch}`);
  }
  const forced = process.env.DIRECTOR_LAB_CACHE === "1";
  const missing = Object.keys(needed).filter((name) => forced || !present(needed[name]));
  if (missing.length === 0) return {};
  if (spawnSync("apt-get", ["--version"]).status !== 0) {
    return without(say, `the lab needs ${missing.join(", ")}, and there is no apt-get to bring them`);
  }
  if (process.getuid() === 0 && !forced) {
    say(`installing for the lab: ${missing.join(" ")}`);
    if (install(missing)) return {};
    say("apt-get could not install them; unpacking them instead");
  }
  const folder = exports.unpacked(missing, "the lab", forced, say);
  if (folder === undefined)
    return without(say, `the lab needs ${missing.join(", ")}, and apt-get did not bring them, see above`);
  return { DIRECTOR_LAB_PACKAGES: folder };
};

function without(say, why) {
  say(`*** ${why}.`);
  say("*** The scenarios on the kernel's own IPVS are skipped; everything else is tested.");
  return {};
}

/** /usr/bin/ip is /bin/ip where the two are still different folders. */
function present(file) {
  return fs.existsSync(file) || fs.existsSync(file.replace(/^\/usr/, ""));
}

function install(packages) {
  const options = ["-o", "DPkg::Lock::Timeout=120"];
  const env = Object.assign({}, process.env, { DEBIAN_FRONTEND: "noninteractive" });
  const apt = (argv) =>
    spawnSync("apt-get", ["-qq"].concat(options, argv), { stdio: ["ignore", "ignore", 2], env: env }).status === 0;
  const now = () => apt(["install", "-y", "--no-install-recommends"].concat(packages));
  return (listsExist() && now()) || (apt(["update"]) && now());
}

function listsExist() {
  try {
    return fs.readdirSync("/var/lib/apt/lists").some((name) => /_Packages(\.|$)/.test(name));
  } catch {
    return false;
  }
}

/** Where these packages are unpacked, or would be. */
exports.folderOf = function folderOf(packages, forced) {
  const release = fs.existsSync("/etc/os-release") ? fs.readFileSync("/etc/os-release", "utf8") : "";
  const key = crypto
    .createHash("sha256")
    .update([forced, release].concat(packages).join("\n"))
    .digest("hex")
    .slice(0, 12);
  return path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "director-lab", key);
};

/** Downloads the packages with all they depend on that is not installed, and unpacks them; the folder they are in, undefined if that failed.
 *  @param what what they are for, as it is said */
exports.unpacked = function unpacked(packages, what, forced, say) {
  const folder = exports.folderOf(packages, forced);
  if (fs.existsSync(folder)) return folder;

  const cache = path.dirname(folder);
  say(`unpacking for ${what}, below ${cache}: ${packages.join(" ")}`);
  fs.mkdirSync(cache, { recursive: true });
  const work = fs.mkdtempSync(path.join(cache, "unpacking-"));
  try {
    const archives = download(packages, forced, work);
    if (archives.length === 0) return undefined;
    const tree = path.join(work, "root");
    for (const archive of archives) unpack(archive, tree);
    mergeUsr(tree);
    say(`unpacked ${archives.length} packages`);
    return moveInto(folder, tree);
  } catch (error) {
    say(`unpacking failed: ${error.message}`);
    return undefined;
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
};

function download(packages, forced, work) {
  for (const name of ["state/lists/partial", "cache/archives/partial"]) {
    fs.mkdirSync(path.join(work, name), { recursive: true });
  }
  const nothing = path.join(work, "nothing-installed");
  fs.writeFileSync(nothing, "");
  const apt = (lists, status, argv) => {
    const options = [
      `Dir::State=${work}/state`,
      `Dir::State::lists=${lists}`,
      `Dir::State::status=${status}`,
      `Dir::Cache=${work}/cache`,
      "APT::Sandbox::User=",
      "Debug::NoLocking=true",
    ];
    const all = options.reduce((list, option) => list.concat("-o", option), ["-qq"]);
    return spawnSync("apt-get", all.concat(argv), { stdio: ["ignore", "ignore", 2] }).status === 0;
  };
  const own = path.join(work, "state/lists");
  const fetch = (status) => {
    const argv = ["install", "--download-only", "-y", "--no-install-recommends"].concat(packages);
    return (
      (listsExist() && apt("/var/lib/apt/lists", status, argv)) ||
      (apt(own, status, ["update"]) && apt(own, status, argv))
    );
  };
  // Where what is installed does not fit together, everything is brought, as if nothing were.
  const done = (!forced && fetch("/var/lib/dpkg/status")) || fetch(nothing);
  const folder = path.join(work, "cache/archives");
  if (!done) return [];
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith(".deb"))
    .map((name) => path.join(folder, name));
}

function unpack(archive, tree) {
  const done = spawnSync("dpkg-deb", ["-x", archive, tree], { stdio: ["ignore", "ignore", 2] });
  if (done.status !== 0) throw new Error(`dpkg-deb -x ${archive}`);
}

/** Some packages still bring files for /bin, /sbin and /lib; on top of a host where these are links into /usr they would hide the host's own. */
function mergeUsr(tree) {
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    const from = path.join(tree, name);
    if (!fs.existsSync(from) || fs.lstatSync(from).isSymbolicLink()) continue;
    fs.cpSync(from, path.join(tree, "usr", name), { recursive: true, verbatimSymlinks: true, force: true });
    fs.rmSync(from, { recursive: true });
  }
}

/** In one step, so that a folder that is there is whole; someone else's, if they were quicker. */
function moveInto(folder, tree) {
  try {
    fs.renameSync(tree, folder);
  } catch (error) {
    if (!fs.existsSync(folder)) throw error;
  }
  return folder;
}
