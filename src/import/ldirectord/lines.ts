import type { Notes, Place } from "../notes.ts";

/** `key = value` with its line. */
export interface Setting {
  readonly key: string;
  /** As it stands behind the equals sign, without outer blanks. */
  readonly value: string;
  readonly place: Place;
}

/** A `virtual =` line with the indented lines below it. */
export interface VirtualLines {
  readonly head: Setting;
  readonly settings: readonly Setting[];
}

export interface Lines {
  readonly globals: readonly Setting[];
  readonly virtuals: readonly VirtualLines[];
}

/** ldirectord.cf in its lines (read_config): what is indented by four blanks or a tab belongs to the virtual above, and the first line that is not
 *  ends it, a blank one too. There comments begin anywhere, elsewhere at the beginning of a line only. */
export function readSettings(file: string, text: string, notes: Notes): Lines {
  const globals: Setting[] = [];
  const virtuals: { readonly head: Setting; readonly settings: Setting[] }[] = [];
  let open: Setting[] | undefined;
  const refuse = (place: Place, line: string, why: string) =>
    notes.add("refused", place, line.trim().slice(0, 60), why);

  for (const [i, raw] of text
    .replace(/^\ufeff/, "")
    .split("\n")
    .entries()) {
    const place = { file, line: i + 1 };
    const line = raw.replace(/\r+$/, "").replaceAll("\t", "    ");
    if (/^\s*#/.test(line)) continue;
    const inside = line.replace(/#.*/, "");
    const indented = /^ {4}/.test(inside) && inside.trim() !== "";
    if (indented) {
      const setting = settingIn(inside, place);
      if (setting === undefined) refuse(place, line, "is no key = value, ldirectord does not start with it");
      else if (open === undefined)
        refuse(
          place,
          line,
          "is indented, and no virtual stands right above it (a blank line ends one): ldirectord does not start with it",
        );
      else open.push(setting);
      continue;
    }
    open = undefined;
    if (line.trim() === "") continue;
    const setting = settingIn(line, place);
    if (setting === undefined || /^\s/.test(line))
      refuse(
        place,
        line,
        line.startsWith(" ")
          ? "is indented by less than four blanks, ldirectord does not start with it"
          : "is no key = value, ldirectord does not start with it",
      );
    else if (/^virtual6?$/.test(setting.key)) {
      open = [];
      virtuals.push({ head: setting, settings: open });
    } else globals.push(setting);
  }
  return { globals, virtuals };
}

function settingIn(line: string, place: Place): Setting | undefined {
  const match = /^ *([a-z]+6?)\s*=\s*(.*?)\s*$/.exec(line);
  if (match !== null) return { key: match[1]!, value: match[2]!, place };
  // An old form, of which ldirectord complains, and which it takes.
  return /^ *supervised\s*$/.test(line) ? { key: "supervised", value: "yes", place } : undefined;
}
