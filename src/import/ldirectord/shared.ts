import type { Notes } from "../notes.ts";
import type { Setting } from "./lines.ts";
import type { Shared } from "./model.ts";
import type { ValueReader } from "./values.ts";

export type Draft<T> = { -readonly [K in keyof T]: T[K] };

const MAIL = "director sends no mail: alert on its metrics, or let a hook send it";

/** Settings that director has no equal of, wherever they stand. */
const DROPPED: Readonly<Record<string, string>> = {
  emailalert: MAIL,
  maintenancedir: "`director disable SERVICE SERVER` and `director drain --host NAME` do it, and survive restarts",
  callback: "director runs nothing when its file changes",
  monitorfile: "`director events --follow` writes what happens as lines of JSON",
  execute: "is another file: import it as well, and join their services with include",
};

const NOT_NEEDED: Readonly<Record<string, string>> = {
  emailalertfreq: "goes with emailalert",
  emailalertfrom: "goes with emailalert",
  emailalertstatus: "goes with emailalert",
  smtp: "goes with emailalert",
  logfile: "director logs to the journal",
  supervised: "the unit does it",
  fork: "checks never wait for each other",
  readdquiescent: "an entry that is missing is written as long as its server is up",
  load: "ldirectord itself does nothing with it",
  cleanstop: "a stop of director leaves the table as it is",
  checkcount: "is for ping only",
};

/** true if the setting is one of these. */
export function isLeftOut({ key, place, value }: Setting, notes: Notes): boolean {
  const dropped = Object.hasOwn(DROPPED, key) ? DROPPED[key] : undefined;
  const notNeeded = Object.hasOwn(NOT_NEEDED, key) ? NOT_NEEDED[key] : undefined;
  if (dropped !== undefined) notes.add("dropped", place, key, dropped);
  else if (notNeeded !== undefined) notes.add("hint", place, `${key} = ${value}`, `not needed: ${notNeeded}`);
  return dropped !== undefined || notNeeded !== undefined;
}

/** Settings that may stand outside virtuals and in them. true if it is one. */
export function readShared(setting: Setting, shared: Draft<Shared>, read: ValueReader): boolean {
  switch (setting.key) {
    case "checktimeout":
      shared.checkTimeout = read.seconds(setting) ?? shared.checkTimeout;
      return true;
    case "negotiatetimeout":
      shared.negotiateTimeout = read.seconds(setting) ?? shared.negotiateTimeout;
      return true;
    case "failurecount":
      shared.failureCount = read.count(setting, 1, 1_000_000) ?? shared.failureCount;
      return true;
    case "quiescent":
      shared.quiescent = read.yes(setting) ?? shared.quiescent;
      return true;
    case "fallbackcommand": {
      const argv = read
        .text(setting)
        .split(/\s+/)
        .filter((word) => word !== "");
      if (argv[0]?.startsWith("/") && !setting.value.includes("\0"))
        shared.fallbackCommand = { argv, place: setting.place };
      else read.refuse(setting, "expected the absolute path of a program");
      return true;
    }
    default:
      return false;
  }
}

export const NOTHING_SHARED: Shared = {
  checkTimeout: undefined,
  negotiateTimeout: undefined,
  failureCount: undefined,
  quiescent: undefined,
  fallbackCommand: undefined,
};
