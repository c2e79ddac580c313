import { globSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatProblem, parseConfig } from "../config/parse.ts";
import { importKeepalived } from "../import/keepalived.ts";
import { importLdirectord } from "../import/ldirectord.ts";
import { formatNote, isExact, type Note } from "../import/notes.ts";
import type { ImportEnvironment, Imported, Source, Unread } from "../import/source.ts";
import { ok } from "../model/result.ts";
import { probeTypes } from "../probe/registry.ts";
import { EXIT, Failed } from "./context.ts";
import { readText } from "./files.ts";
import type { Output } from "./output.ts";

export interface ImportOptions {
  readonly json?: boolean;
  readonly output?: string;
  readonly force?: boolean;
  readonly recommended?: boolean;
  readonly observe?: boolean;
  readonly configId?: string;
}

/** How imports end, beside EXIT: as sysexits(3) has it, EX_DATAERR and EX_SOFTWARE. */
const REFUSED = 65;
const OUR_FAULT = 70;

/** `director import …`: the new file on stdout or to `--output`, what is to be known of it on stderr. 0 exact, 1 with losses, 65 refused. */
export async function importFile(
  out: Output,
  program: "keepalived" | "ldirectord",
  file: string,
  options: ImportOptions,
): Promise<number> {
  const standardInput = file === "-";
  const source: Source = { file: standardInput ? "<stdin>" : file, text: "" };
  const text = readText(standardInput ? 0 : file, "any", "latin1");
  if (!text.ok) {
    out.warn(`director: ${source.file} ${text.error}`);
    return REFUSED;
  }
  const imports = program === "keepalived" ? importKeepalived : importLdirectord;
  const imported = imports({ ...source, text: text.value }, environment(standardInput ? "." : dirname(file), options));
  const target = options.output ?? "<stdout>";
  const faults = imported.text === undefined ? [] : faultsIn(imported.text, target);
  if (options.json) out.print(JSON.stringify(inJson(imported, faults), undefined, 2));
  else out.warn(...imported.notes.map(formatNote));
  if (faults.length > 0) {
    out.warn(
      ...faults,
      "director: the import made a file that director itself refuses. Nothing is written; this is a fault of the import, please report it with the original",
    );
    return OUR_FAULT;
  }
  if (imported.text === undefined) {
    out.warn("director: refused, nothing is written");
    return REFUSED;
  }
  if (options.output !== undefined) write(options.output, imported.text, options.force === true);
  else if (!options.json) out.write(imported.text);
  if (!options.json) out.warn(summary(imported.notes, options.output));
  return isExact(imported.notes) ? EXIT.ok : EXIT.failed;
}

function environment(base: string, { configId, recommended, observe }: ImportOptions): ImportEnvironment {
  return {
    configId,
    recommended: recommended === true,
    observe: observe === true,
    readInclude(pattern, from) {
      const folder = from === "<stdin>" ? base : dirname(from);
      const found = globSync(pattern.startsWith("/") ? pattern : join(folder, pattern)).sort();
      return ok(found.map(readIncluded));
    },
  };
}

/** keepalived reads regular files that cannot be executed (lib/parser.c, check_glob_file). */
function readIncluded(file: string): Source | Unread {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat?.isFile() && (stat.mode & 0o111) !== 0)
    return { file, why: "can be executed, keepalived does not read such files" };
  const text = readText(file, "regular", "latin1");
  return text.ok ? { file, text: text.value } : { file, why: text.error };
}

/** The errors director itself would find. */
function faultsIn(text: string, file: string): readonly string[] {
  const readInclude = () => ok([]);
  const { problems } = parseConfig({ file, text }, { probeTypes, readInclude });
  return problems.filter(({ severity }) => severity === "error").map(formatProblem);
}

function write(file: string, text: string, force: boolean): void {
  try {
    writeFileSync(file, text, { flag: force ? "w" : "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST")
      throw new Failed(`${file} is there already: --force writes over it`);
    throw error;
  }
}

function inJson({ text, notes }: Imported, faults: readonly string[]): object {
  return { exact: text !== undefined && isExact(notes), text: faults.length > 0 ? undefined : text, notes, faults };
}

function summary(notes: readonly Note[], output: string | undefined): string {
  const count = (kind: Note["kind"]) => notes.filter((note) => note.kind === kind).length;
  const parts = (["refused", "dropped", "changed"] as const).flatMap((kind) =>
    count(kind) > 0 ? [`${count(kind)} ${kind}`] : [],
  );
  const where = output === undefined ? "" : ` to ${output}`;
  return parts.length === 0
    ? `director: written${where}, exact`
    : `director: written${where} with losses: ${parts.join(", ")}`;
}
