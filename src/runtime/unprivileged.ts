import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { err, ok, type Result } from "../model/result.ts";

export type Argv = readonly [command: string, ...args: string[]];

/** What a process hands on to the commands it starts (capabilities(7), "Transformation of capabilities during execve"): a user's commands get
 *  the ambient set; root's get the bounding set whole. Bit N is capability N. */
export interface Privileges {
  readonly uid: number;
  readonly ambient: bigint;
  readonly bounding: bigint;
}

/** The same command, started so that it cannot touch the kernel's table: with no capability at all, by setpriv(1). Checks and hooks are other
 *  people's programs and would inherit our CAP_NET_ADMIN otherwise. Where we have nothing to hand on, the command is returned as it is.
 *  An error says why it must not be run (no setpriv). A command that is not there ends with exit code 127 and setpriv's word for it on stderr.
 *  In the sandbox of the unit setpriv needs the system call capset, which it makes whatever it is asked for (util-linux 2.38, seen). */
export function withoutCapabilities(
  argv: Argv,
  privileges: Privileges = ownPrivileges(),
  setpriv: string = programPath("setpriv") ?? "",
): Result<Argv, string> {
  const flags = flagsFor(privileges);
  if (flags.length === 0) return ok(argv);
  if (setpriv === "") return err(`it would inherit director's capabilities: setpriv is missing (package util-linux)`);
  return ok([setpriv, ...flags, "--", ...argv]);
}

const NET_ADMIN = 1n << 12n;

function flagsFor({ uid, ambient, bounding }: Privileges): readonly string[] {
  const lower = ["--ambient-caps=-all", "--inh-caps=-all"];
  // Root gets everything back at exec that the bounding set leaves. Without CAP_NET_ADMIN in it there is nothing that matters.
  if (uid === 0) return (bounding & NET_ADMIN) === 0n ? [] : ["--bounding-set=-all", ...lower];
  return ambient === 0n ? [] : lower;
}

let known: Privileges | undefined;

/** What /proc does not tell is taken for the worst. */
export function ownPrivileges(): Privileges {
  known ??= readPrivileges();
  return known;
}

function readPrivileges(): Privileges {
  let status = "";
  try {
    status = readFileSync("/proc/self/status", "utf8");
  } catch {}
  const set = (name: string) => BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "ffff"}`);
  return { uid: process.geteuid?.() ?? 0, ambient: set("CapAmb"), bounding: set("CapBnd") };
}

/** Where a program is: its path itself, or what PATH (and the usual folders, should PATH be poor) has below its name; undefined: nowhere we may
 *  run it from. */
export function programPath(name: string): string | undefined {
  if (name.includes("/")) return runnable(name) ? name : undefined;
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== ""), ...USUAL];
  return folders.map((folder) => join(folder, name)).find(runnable);
}

const USUAL = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

function runnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
