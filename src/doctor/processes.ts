import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { err, ok } from "../model/result.ts";
import type { Process, Seen } from "./facts.ts";
import { MOVERS } from "./place-rules.ts";
import { WRITERS } from "./writer-rules.ts";

/** The processes of this network namespace that have to do with the table or the VIPs; those of others have tables of their own. */
export function readProcesses(): Seen<readonly Process[]> {
  let pids: readonly string[];
  try {
    pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
  const own = namespaceOf("self");
  return ok(
    pids.flatMap((pid) => {
      const argv = argvOf(pid);
      const program = programOf(argv);
      const namespace = program === undefined ? undefined : namespaceOf(pid);
      if (program === undefined || (namespace !== undefined && namespace !== own)) return [];
      return { pid: Number(pid), program, argv, netAdmin: hasNetAdmin(pid), settings: settingsOf(program, argv) };
    }),
  );
}

/** Whether CAP_NET_ADMIN (capability 12) is in force for a process; false where that is not to be read. */
export function hasNetAdmin(pid: string): boolean {
  const bits = /^CapEff:\s*([0-9a-f]+)$/m.exec(readText(`/proc/${pid}/status`) ?? "")?.[1] ?? "0";
  return ((BigInt(`0x${bits}`) >> 12n) & 1n) === 1n;
}

const KNOWN: ReadonlySet<string> = new Set([...Object.keys(WRITERS), ...MOVERS, "kube-proxy", "kube-router"]);

const INTERPRETER = /^(perl|python|ruby|(ba|da)?sh)[\d.]*$/;

/** Which of those we know it is, by its command line. A script has its interpreter first, with its options: `/usr/bin/perl -w /usr/sbin/ldirectord`. */
export function programOf(argv: readonly string[]): string | undefined {
  if (argv.some((word) => /\/src\/main\.ts$/.test(word)) && argv.includes("run")) return "director";
  const [first = "", ...rest] = argv;
  const interpreted = INTERPRETER.test(basename(first)) && !rest.includes("-c");
  const script = interpreted ? rest.find((word) => !word.startsWith("-")) : undefined;
  // A process may write over its arguments: `keepalived: master`.
  return [first, script ?? ""].map((word) => basename(word).replace(/[: ].*$/, "")).find((name) => KNOWN.has(name));
}

function settingsOf(program: string, argv: readonly string[]): Process["settings"] {
  const writer = WRITERS[program];
  if (writer === undefined) return undefined;
  const file = argv.find(
    (word, i) => writer.option.includes(argv[i - 1] ?? "") || (i > 0 && /\.(cf|conf)$/.test(word)),
  );
  try {
    return ok(readFileSync(file ?? writer.file, "utf8"));
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

function argvOf(pid: string): readonly string[] {
  return (readText(`/proc/${pid}/cmdline`) ?? "").split("\0").filter((word) => word !== "");
}

/** undefined where we may not look. */
function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
