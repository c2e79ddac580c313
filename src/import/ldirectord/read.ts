import { formatEndpoint } from "../../model/address.ts";
import type { Notes } from "../notes.ts";
import { type Lines, readSettings, type Setting } from "./lines.ts";
import type { Globals, Virtual } from "./model.ts";
import { readVirtual } from "./read-virtual.ts";
import { type Draft, isLeftOut, NOTHING_SHARED, readShared } from "./shared.ts";
import { valueReader } from "./values.ts";

export interface Ldirectord {
  readonly globals: Globals;
  readonly virtuals: readonly Virtual[];
}

export function readLdirectord(file: string, text: string, notes: Notes): Ldirectord {
  const lines: Lines = readSettings(file, text, notes);
  const globals = readGlobals(lines.globals, notes);
  const virtuals: Virtual[] = [];
  const taken = new Map<string, number>();
  for (const each of lines.virtuals) {
    const virtual = readVirtual(each, globals, notes);
    if (virtual === undefined) continue;
    const key = `${virtual.protocol ?? `fwmark${virtual.family}`} ${targetText(virtual)}`;
    const first = taken.get(key);
    taken.set(key, first ?? virtual.place.line);
    if (first === undefined) virtuals.push(virtual);
    else
      notes.add(
        "refused",
        virtual.place,
        `virtual = ${virtual.title}`,
        `stands in line ${first} already, ldirectord does not start with it`,
      );
  }
  return { globals, virtuals };
}

function targetText({ at }: Virtual): string {
  return at.kind === "address" ? formatEndpoint(at.address, at.port) : String(at.mark);
}

function readGlobals(settings: readonly Setting[], notes: Notes): Globals {
  const read = valueReader(notes);
  const fallback: { 4: Globals["fallback"][4]; 6: Globals["fallback"][6] } = { 4: undefined, 6: undefined };
  const globals: Draft<Globals> = { ...NOTHING_SHARED, checkInterval: 10_000, forking: false, fallback };
  for (const setting of settings) {
    const { key, place } = setting;
    if (key === "fork") globals.forking = read.yes(setting) ?? false;
    if (readShared(setting, globals, read) || isLeftOut(setting, notes)) continue;
    if (key === "checkinterval") globals.checkInterval = read.seconds(setting) ?? globals.checkInterval;
    else if (key === "fallback") fallback[4] = read.fallback(setting, 4);
    else if (key === "fallback6") fallback[6] = read.fallback(setting, 6);
    else if (key === "autoreload") {
      if (setting.value === "yes")
        notes.add(
          "dropped",
          place,
          "autoreload",
          "a changed file is read at `systemctl reload director`; a systemd path unit can call that",
        );
    } else read.refuse(setting, "unknown, ldirectord does not start with it");
  }
  return globals;
}
