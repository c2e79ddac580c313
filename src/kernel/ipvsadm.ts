import { readFile } from "node:fs/promises";
import { parseConnections } from "../ipvs/connections.ts";
import { readListing } from "../ipvs/listing.ts";
import { createProcReader } from "../ipvs/proc.ts";
import { ruleLine } from "../ipvs/rules.ts";
import { parseRates, parseStats, parseTemplates, parseThresholds, withThresholds } from "../ipvs/stats.ts";
import type { IpvsChange, IpvsTable } from "../ipvs/table.ts";
import { assertNever } from "../model/result.ts";
import type { Millis } from "../model/time.ts";
import { systemClock } from "../runtime/clock.ts";
import { inTurns } from "../runtime/in-turns.ts";
import { CommandError, type CommandResult, runCommand } from "../runtime/run-command.ts";
import { isolate } from "./isolate.ts";
import type { ApplyReport, KernelTable } from "./kernel-table.ts";

export interface IpvsadmOptions {
  /** Path of ipvsadm. */
  readonly command: string;
  /** Of each run of it; one that hangs is killed. */
  readonly timeoutMs: number;
  /** Default /proc/net/ip_vs. */
  readonly procFile?: string;
  /** Told of listed lines we cannot read, whenever they are not those of the time before (see Listing). */
  readonly onUnreadable?: (lines: readonly string[]) => void;
  /** Told of every run's end. */
  readonly onCommand?: (result: CommandEnd, tookMs: Millis) => void;
}

/** `refused`: it ran, and said that something cannot be done; `failed`: it could not be run, or had to be killed. */
export type CommandEnd = "ok" | "refused" | "failed";

/** The kernel's table, by way of ipvsadm. Needs CAP_NET_ADMIN, but for a `glance` that misses nothing it knows. */
export function ipvsadmTable(options: IpvsadmOptions): KernelTable {
  const { procFile = "/proc/net/ip_vs", onUnreadable = () => {} } = options;
  const readGlance = createProcReader();
  let unreadable = "";

  async function read(signal: AbortSignal): Promise<IpvsTable> {
    const listing = await inTurns(readListing(await askIpvsadm(options, ["-Sn"], signal)), systemClock);
    const lines = listing.unreadable.join("\n");
    if (lines !== unreadable) onUnreadable(listing.unreadable);
    unreadable = lines;
    const anybody = [...listing.table.values()].some((entry) => entry.destinations.size > 0);
    if (!anybody) return listing.table;
    // -S leaves the limits on connections out. What was edited between the two runs is seen by the next reading.
    return withThresholds(listing.table, parseThresholds(await askIpvsadm(options, ["-Ln", "--thresholds"], signal)));
  }

  /** Judged by what is said: the exit code is that of the last line alone. */
  async function restore(changes: readonly IpvsChange[], signal: AbortSignal): Promise<readonly string[]> {
    const text = changes.map((change) => `${ruleLine(change)}\n`).join("");
    const { code, stderr } = await run(options, ["-R"], text, signal);
    const said = stderr.split("\n").filter((line) => line.trim() !== "");
    return said.length > 0 || code === 0 ? said : [`exit code ${code} without a word`];
  }

  return {
    read,
    async glance(known, signal) {
      const glance = await inTurns(readGlance(await readProc(procFile, signal), known), systemClock);
      // Where another network namespace has services too, the kernel leaves some of ours out of that file once it is longer than a page (Linux 6.1,
      // ip_vs_info_seq_next counts those of all namespaces). Whether one is really gone only the whole listing tells.
      const complete = [...known.keys()].every((service) => glance.has(service));
      return complete ? glance : parseConnections(await askIpvsadm(options, ["-Ln"], signal));
    },
    async stats(signal) {
      return parseStats(await askIpvsadm(options, ["-Ln", "--stats", "--exact"], signal));
    },
    async templates(signal) {
      return parseTemplates(await askIpvsadm(options, ["-Ln", "--persistent-conn"], signal));
    },
    async rates(signal) {
      return parseRates(await askIpvsadm(options, ["-Ln", "--rate"], signal));
    },
    async apply(changes, signal): Promise<ApplyReport> {
      if (changes.length === 0) return { complaints: [] };
      const said = await restore(changes, signal);
      return { complaints: said.length === 0 ? [] : await isolate(changes, said, { read, restore }, signal) };
    },
  };
}

/** What it printed. @throws with its words where it fails. */
export async function askIpvsadm(
  options: IpvsadmOptions,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const { code, stdout, stderr } = await run(options, args, "", signal);
  if (code === 0) return stdout;
  throw new Error(`${options.command} ${args.join(" ")} failed with exit code ${code}: ${stderr.trim()}`);
}

/** Messages in English whatever our own locale; the path is for modprobe, which ipvsadm calls when the kernel has no IPVS yet. */
const ENVIRONMENT = { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } as const;

async function run(
  options: IpvsadmOptions,
  args: readonly string[],
  stdin: string,
  signal: AbortSignal,
): Promise<CommandResult> {
  const began = systemClock.now().mono;
  let end: CommandEnd = "failed";
  try {
    const result = await runWith(options, args, stdin, signal);
    // The exit code of -R is that of its last line alone.
    const said = args.includes("-R") && result.stderr.trim() !== "";
    end = result.code === 0 && !said ? "ok" : "refused";
    return result;
  } finally {
    options.onCommand?.(end, systemClock.now().mono - began);
  }
}

async function runWith(
  { command, timeoutMs }: IpvsadmOptions,
  args: readonly string[],
  stdin: string,
  signal: AbortSignal,
): Promise<CommandResult> {
  const tried = `${command} ${args.join(" ")}`;
  const result = await runCommand([command, ...args], { stdin, timeoutMs, env: ENVIRONMENT }, signal).catch((error) => {
    throw error instanceof CommandError ? withRemedy(error, tried) : error;
  });
  if (result.signal !== null) throw new Error(`${tried} was killed by ${result.signal}`);
  const refused = /^Can't initialize ipvs.*$/m.exec(result.stderr);
  if (refused !== null) throw new Error(`${tried}: ${refused[0]}; ${initRemedy(refused[0])}`);
  return result;
}

function withRemedy(error: CommandError, tried: string): Error {
  switch (error.trouble) {
    case "not-started":
      return isNoProgram(error.cause)
        ? new Error(`${error.message}; install ipvsadm or name its path in ipvs.command`, { cause: error })
        : error;
    case "timed-out":
      return new Error(`${tried}: ${error.message}; lines may have been applied in part`, { cause: error });
    case "too-much-output":
      return error;
    default:
      return assertNever(error.trouble);
  }
}

/** No such program, or none that can be run; anything else is a want of descriptors, processes or memory. */
function isNoProgram(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && /^(ENOENT|EACCES|ENOTDIR|ENOEXEC)$/.test(String(cause.code));
}

function initRemedy(message: string): string {
  return message.includes("Permission denied")
    ? "run as root, or give the service AmbientCapabilities=CAP_NET_ADMIN"
    : "load the kernel's IPVS first (modprobe ip_vs, which needs more rights than we have), and let RestrictAddressFamilies= include AF_NETLINK";
}

async function readProc(file: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(file, { encoding: "utf8", signal });
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `cannot read ${file}: ${why}; load the kernel's IPVS (modprobe ip_vs), and do not hide /proc/net (ProcSubset=pid does)`,
      {
        cause,
      },
    );
  }
}
