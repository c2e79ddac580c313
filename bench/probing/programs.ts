import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** What is measured against, and with. */
export interface Programs {
  readonly target: string;
  readonly limit: string;
  readonly ipvsadm: string;
  /** undefined: it could not be had, `why` says so. */
  readonly keepalived: Peer | undefined;
  readonly haproxy: Peer | undefined;
  readonly why: readonly string[];
}

export interface Peer {
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly version: string;
}

const NATIVE = join(import.meta.dirname, "../native");
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "director-bench");

/** Compiles our own C programs and finds the peers, or brings them: their Debian packages are unpacked below ~/.cache/director-bench, nothing is
 *  installed. @throws Error when there is no C compiler */
export function bringPrograms(say: (line: string) => void): Programs {
  mkdirSync(CACHE, { recursive: true });
  const why: string[] = [];
  const peers = { keepalived: found("keepalived"), haproxy: found("haproxy") };
  const missing = Object.entries(peers).flatMap(([name, program]) => (program === undefined ? [name] : []));
  if (missing.length > 0) unpack(missing, say);
  const peer = (name: "keepalived" | "haproxy"): Peer | undefined => {
    const program = found(name);
    if (program === undefined) {
      why.push(`${name} is not here and could not be brought; its columns are empty`);
      return undefined;
    }
    const env: Record<string, string> = program.startsWith(CACHE)
      ? { LD_LIBRARY_PATH: [`${CACHE}/root/usr/lib/x86_64-linux-gnu`, `${CACHE}/root/lib/x86_64-linux-gnu`].join(":") }
      : {};
    const said = spawnSync(program, ["-v"], { env: { ...process.env, ...env }, encoding: "utf8" });
    const version = /\d+\.\d+\.\d+/.exec(said.stdout + said.stderr)?.[0];
    if (version === undefined) why.push(`${program} does not run: ${said.stderr.trim()}`);
    return version === undefined ? undefined : { program, env, version };
  };
  const keepalived = peer("keepalived");
  const preload = hasIpvs() ? [] : [compiled("keepalived-ipvs.c", ["-shared", "-fPIC"], ["-ldl"])];
  return {
    target: compiled("target.c"),
    limit: compiled("limit.c"),
    ipvsadm: compiled("ipvsadm-stub.c"),
    keepalived: keepalived && { ...keepalived, env: { ...keepalived.env, ...preloaded(preload) } },
    haproxy: peer("haproxy"),
    why,
  };
}

function preloaded(libraries: readonly string[]): Record<string, string> {
  return libraries.length === 0 ? {} : { LD_PRELOAD: libraries.join(":") };
}

function hasIpvs(): boolean {
  return existsSync("/proc/net/ip_vs");
}

function compiled(source: string, flags: readonly string[] = [], libraries: readonly string[] = []): string {
  const from = join(NATIVE, source);
  const to = join(CACHE, source.replace(/\.c$/, ""));
  if (existsSync(to) && statSync(to).mtimeMs > statSync(from).mtimeMs) return to;
  try {
    execFileSync("cc", ["-O2", "-Wall", "-Wextra", ...flags, "-o", to, from, ...libraries], { stdio: "inherit" });
  } catch (cause) {
    throw new Error(`${from} could not be compiled; install a C compiler (apt-get install gcc libc6-dev)`, { cause });
  }
  return to;
}

function found(name: string): string | undefined {
  const places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", `${CACHE}/root/usr/sbin`, `${CACHE}/root/usr/bin`];
  return places.map((place) => join(place, name)).find((path) => existsSync(path));
}

/** Downloads packages with what they need and is not installed here, and unpacks them. */
function unpack(packages: readonly string[], say: (line: string) => void): void {
  const archives = join(CACHE, "archives");
  mkdirSync(join(archives, "partial"), { recursive: true });
  say(`downloading ${packages.join(" and ")} (unpacked below ${CACHE}, nothing is installed)`);
  const options = ["-qq", "-y", "--download-only", "--no-install-recommends"];
  const settings = [
    "-o",
    `Dir::Cache::archives=${archives}/`,
    "-o",
    "Debug::NoLocking=1",
    "-o",
    "APT::Sandbox::User=root",
  ];
  spawnSync("apt-get", [...settings, ...options, "install", ...packages], { stdio: ["ignore", "ignore", "inherit"] });
  for (const file of readdirSync(archives).filter((name) => name.endsWith(".deb")))
    spawnSync("dpkg-deb", ["-x", join(archives, file), join(CACHE, "root")], { stdio: "inherit" });
  if (globSync(`${archives}/*.deb`).length === 0) say("apt-get brought no package");
}
