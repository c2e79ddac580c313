import { readFileSync } from "node:fs";

/** The kernel's name for this boot: monotonic times of another boot mean nothing. Empty where /proc does not tell. */
export function bootId(): string {
  return readProc("/proc/sys/kernel/random/boot_id") ?? "";
}

/** A number from /proc/sys, `net/ipv4/vs/expire_quiescent_template` for example; undefined where it is not to be had. */
export function sysctl(name: string): number | undefined {
  const text = readProc(`/proc/sys/${name}`);
  return text === undefined || text === "" || Number.isNaN(Number(text)) ? undefined : Number(text);
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
