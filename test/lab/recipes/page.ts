import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { directorProgram, inNamespace, must, until } from "../inside.ts";
import { byHand, daemon } from "./owner.ts";

/** One command of a page with what the page shows below it. */
export interface PageCommand {
  /** As before its prompt: `director`, `server1`, `servers`, `client`. */
  readonly host: string;
  readonly command: string;
  readonly output: string;
}

export interface Page {
  /** director.conf, the first one or the nth. */
  config(n?: number): string;
  /** The command on that host that begins like this. @throws Error when the page has none */
  command(host: string, beginning: string): PageCommand;
  /** Carries that command out, on each of its machines; what it printed on the last. Replayed by hand, director's own commands are left out. */
  run(host: string, beginning: string): Promise<string>;
  /** The same, and what it prints has to be what the page shows, but for times, counters and folders. */
  shows(host: string, beginning: string): Promise<void>;
  /** Where the page's clients connect to: `10.9.0.1:80` of `client$ curl http://10.9.0.1/`. */
  target(n?: number): string;
}

/** A page of docs/setups. Its commands stand in blocks of `console` behind the name of their machine (`director# sysctl …`, `client$ curl …`).
 *  @param namespaces of each name; `undefined` is the director's own */
export function setupPage(name: string, namespaces: Readonly<Record<string, readonly (string | undefined)[]>>): Page {
  const file = join(import.meta.dirname, "../../../docs/setups", `${name}.md`);
  const text = readFileSync(file, "utf8");
  const blocks = (language: string): readonly string[] =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, block]) => block!);
  const commands = blocks("console").flatMap(commandsIn);

  function command(host: string, beginning: string): PageCommand {
    const found = commands.find((c) => c.host === host && c.command.startsWith(beginning));
    if (found === undefined) throw new Error(`${file} has no command on ${host} that begins with: ${beginning}`);
    return found;
  }

  async function execute({ host, command: line }: PageCommand): Promise<string> {
    const where = namespaces[host];
    if (where === undefined) throw new Error(`${file}: nobody knows the machine ${host}`);
    const ours = line.startsWith("director ");
    if (ours && byHand) return "";
    if (ours) atItsUsualPlace(daemon().folder);
    const env = ours
      ? { PATH: `${dirname(directorProgram)}:${process.env.PATH}`, DIRECTOR_SOCKET: daemon().socket }
      : {};
    let said = "";
    for (const namespace of where)
      said = await must(inNamespace(namespace, ["/bin/bash", "-euo", "pipefail", "-c", `exec 2>&1; ${line}`]), { env });
    return said;
  }

  return {
    config: (n = 0) => blocks("yaml")[n]!,
    command,
    run: (host, beginning) => execute(command(host, beginning)),
    async shows(host, beginning) {
      if (byHand) return;
      const found = command(host, beginning);
      // Checks may need a moment to be where the page has them.
      await until(
        `it shows what ${name}.md has below: ${found.command}`,
        async () => assert.equal(still(await execute(found)), still(found.output)) ?? true,
        { timeoutMs: 20_000, everyMs: 500 },
      );
    },
    target(n = 0) {
      const urls = commands.filter((c) => c.host === "client").flatMap((c) => c.command.match(/http:\/\/[^ /]+/) ?? []);
      const { host, port } = new URL(urls[n]!);
      return port === "" ? `${host}:80` : host;
    },
  };
}

function commandsIn(block: string): readonly PageCommand[] {
  const found: { host: string; command: string; output: string }[] = [];
  for (const line of block.replace(/\\\n\s*/g, "").split("\n")) {
    const prompt = /^([a-z0-9]+)[#$] (.*)$/.exec(line);
    if (prompt) found.push({ host: prompt[1]!, command: prompt[2]!, output: "" });
    else if (found.length > 0 && line !== "") found.at(-1)!.output += `${line}\n`;
  }
  return found;
}

/** The pages' commands look for the file where an installation has it. */
function atItsUsualPlace(folder: string): void {
  if (existsSync("/etc/director/director.conf")) return;
  rmSync("/etc/director", { recursive: true, force: true });
  symlinkSync(folder, "/etc/director");
}

/** Without what is another every time: ages, connections, their rates, folders, blanks, and the version. */
function still(text: string): string {
  return text
    .replace(/\S*\/director\.conf/g, "director.conf")
    .replace(/director \d[\w.-]*,/g, "director VERSION,")
    .replace(/\b\d+(?:d|h|m|s|ms)(?:\d+[hms])?\b/g, "TIME")
    .replace(/\b\d+\/\d+(?=\s|$)/gm, "N/N")
    .replace(/[ \t]+/g, " ")
    .replace(/, \d+ connections? still open/g, "")
    .replace(/\b[\d.]+(?= conn\/s)/g, "N")
    .replace(/(?<=N\/N )[\d.]+(?= (?:pass|fail) )/g, "N")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join("\n");
}
