import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseProc } from "../ipvs/proc.ts";
import type { Config } from "../model/config.ts";
import { err, ok } from "../model/result.ts";
import { runCommand } from "../runtime/run-command.ts";
import type { Facts, Modules, Seen } from "./facts.ts";
import { parseDefaults, parseInterfaces, parseIpsets, parseRoutes } from "./ip-json.ts";
import { parseIptablesSave } from "./iptables.ts";
import { NO_IPVS } from "./kernel-rules.ts";
import { parseNft } from "./nft.ts";
import type { RuleTable } from "./packet-rules.ts";
import { hasNetAdmin, readProcesses } from "./processes.ts";
import { serversOf } from "./scene.ts";
import { RULES_SERVICE } from "./writer-rules.ts";

/** Where commands are looked for, whatever our own PATH: root's. */
export const COMMAND_ENVIRONMENT = {
  LC_ALL: "C",
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
} as const;

/** Reads what there is to see. Changes nothing, loads no module; what cannot be read is said to be so. */
export async function collect(config: Config, signal: AbortSignal): Promise<Facts> {
  const kernel = readText("/proc/sys/kernel/osrelease")?.trim() ?? "";
  const modules = readModules(kernel);
  const tools = new Set(TOOLS.filter(isInstalled));
  const [interfaces, routes, defaults, rules, ipsets] = await Promise.all([
    asked(["ip", "-json", "-details", "address", "show"], parseInterfaces, signal),
    readRoutes(config, signal),
    asked(["ip", "-json", "-4", "route", "show", "default"], parseDefaults, signal),
    readRules(modules, tools, signal),
    // A set that is not known may hold anything.
    isActive(modules, "ip_set") && tools.has("ipset")
      ? asked(["ipset", "save"], parseIpsets, signal)
      : ok(new Map<string, string[]>()),
  ]);
  return {
    user: { root: process.geteuid?.() === 0, netAdmin: hasNetAdmin("self") },
    kernel,
    modules,
    table: readTable(),
    sysctls: readSysctls(),
    interfaces,
    routes,
    defaults,
    rules,
    ipsets,
    processes: readProcesses(),
    rulesOfService: existsSync("/etc/init.d/ipvsadm") && /^AUTO="?true"?\s*$/m.test(readText(RULES_SERVICE) ?? ""),
    tools,
  };
}

const TOOLS = [
  "iptables",
  "ip6tables",
  "nft",
  "ipset",
  "iptables-save",
  "ip6tables-save",
  "iptables-legacy-save",
  "ip6tables-legacy-save",
];
const TIMEOUT_MS = 20_000;

function isInstalled(tool: string): boolean {
  return COMMAND_ENVIRONMENT.PATH.split(":").some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The output of a command, read; or why there is none. */
async function asked<T>(
  argv: readonly [string, ...string[]],
  read: (text: string) => T,
  signal: AbortSignal,
  stdin = "",
): Promise<Seen<T>> {
  try {
    const { code, stdout, stderr } = await runCommand(
      argv,
      { stdin, timeoutMs: TIMEOUT_MS, env: COMMAND_ENVIRONMENT },
      signal,
    );
    // A batch goes on after what fails; its code only says that something did.
    if (code !== 0 && stdin === "") return err(`${argv.join(" ")}: ${stderr.trim().split("\n")[0]}`);
    return ok(read(stdout));
  } catch (error) {
    signal.throwIfAborted();
    return err(`${argv.join(" ")}: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
  }
}

/** One process for all addresses. That of loopback shows that answers come at all. */
async function readRoutes(config: Config, signal: AbortSignal): Promise<Facts["routes"]> {
  const addresses = new Set<string>(["127.0.0.1"]);
  for (const service of config.services) {
    for (const frontend of service.frontends) if (frontend.kind === "address") addresses.add(frontend.address.text);
    for (const { address } of serversOf(service)) addresses.add(address.text);
  }
  const batch = [...addresses].map((address) => `route get ${address}\n`).join("");
  const routes = await asked(["ip", "-json", "-force", "-batch", "-"], parseRoutes, signal, batch);
  return !routes.ok || routes.value.has("127.0.0.1") ? routes : err("ip route get says nothing");
}

/** Looking must not load what is not there: iptables and nft load their part of the kernel when asked. */
async function readRules(
  modules: Seen<Modules>,
  tools: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Facts["rules"]> {
  const nft = isActive(modules, "nf_tables");
  const saved = async (family: 4 | 6): Promise<Seen<readonly RuleTable[]>> => {
    const [name, old] = family === 4 ? ["iptables", "ip_tables"] : ["ip6tables", "ip6_tables"];
    const legacy = existsSync(`/proc/net/${old}_names`);
    if (!legacy && !nft) return ok([]);
    const wanted = [`${name}-save`, ...(legacy ? [`${name}-legacy-save`] : [])].filter((tool) => tools.has(tool));
    if (wanted.length === 0) return legacy ? err(`${name}-save is not installed`) : ok([]);
    const texts = await Promise.all(
      wanted.map((tool) => asked([tool], (text) => parseIptablesSave(text, family), signal)),
    );
    const failed = texts.find((text) => !text.ok);
    return failed ?? ok(texts.flatMap((text) => (text.ok ? text.value : [])));
  };
  const native = nft && tools.has("nft") ? asked(["nft", "-j", "list", "ruleset"], parseNft, signal) : ok([]);
  const [iptables, ip6tables, nftables] = await Promise.all([saved(4), saved(6), native]);
  return { iptables, ip6tables, nft: nftables };
}

function isActive(modules: Seen<Modules>, name: string): boolean {
  return !modules.ok || modules.value.active.has(name);
}

function readModules(kernel: string): Seen<Modules> {
  const folder = `/lib/modules/${kernel}`;
  const [loaded, dependencies] = [readText("/proc/modules"), readText(`${folder}/modules.dep`)];
  if (loaded === undefined || dependencies === undefined)
    return err(`there is no ${loaded === undefined ? "/proc/modules" : `${folder}/modules.dep`}`);
  const onDisk = new Set(lines(dependencies).map((line) => moduleName(line.split(":", 1)[0]!)));
  const builtIn = lines(readText(`${folder}/modules.builtin`) ?? "").map(moduleName);
  return ok({ active: new Set([...lines(loaded).map((line) => line.split(" ", 1)[0]!), ...builtIn]), onDisk });
}

/** `kernel/net/netfilter/ipvs/ip_vs_wrr.ko.xz` is `ip_vs_wrr`. */
function moduleName(path: string): string {
  return path
    .replace(/^.*\//, "")
    .replace(/\.ko.*$/, "")
    .replaceAll("-", "_");
}

function readTable(): Facts["table"] {
  try {
    return ok(parseProc(readFileSync("/proc/net/ip_vs", "utf8"), new Map()));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return err(code === "ENOENT" ? NO_IPVS : message);
  }
}

function readSysctls(): ReadonlyMap<string, string> {
  const sysctls = new Map<string, string>();
  const take = (path: string) => {
    const text = readText(`/proc/sys/${path}`);
    if (text !== undefined) sysctls.set(path.replaceAll("/", "."), text.trim());
  };
  take("net/ipv4/ip_forward");
  take("net/ipv6/conf/all/forwarding");
  for (const folder of ["net/ipv4/vs", "net/bridge"])
    for (const name of list(`/proc/sys/${folder}`)) take(`${folder}/${name}`);
  for (const name of list("/proc/sys/net/ipv4/conf"))
    for (const setting of ["forwarding", "rp_filter"]) {
      // An interface's name may have dots in it: eth0.100.
      const text = readText(`/proc/sys/net/ipv4/conf/${name}/${setting}`);
      if (text !== undefined) sysctls.set(`net.ipv4.conf.${name}.${setting}`, text.trim());
    }
  return sysctls;
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function lines(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
