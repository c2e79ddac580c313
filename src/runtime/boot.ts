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

/** The ports that the kernel gives to connections which ask for none, as of the first call: first and last. Linux's default where /proc does not tell. */
export function ownPorts(): readonly [number, number] {
  known ??= readOwnPorts();
  return known;
}

let known: readonly [number, number] | undefined;

function readOwnPorts(): readonly [number, number] {
  const [first, last] = (readProc("/proc/sys/net/ipv4/ip_local_port_range") ?? "").split(/\s+/).map(Number);
  return first && last ? [first, last] : [32_768, 60_999];
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
