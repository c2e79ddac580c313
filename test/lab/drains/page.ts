import { readFileSync } from "node:fs";
import { join } from "node:path";

const text = readFileSync(join(import.meta.dirname, "../../../docs/drains.md"), "utf8");
const blocks = (language: string): readonly string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, block]) => block!);
const commands = blocks("console")
  .flatMap((block) => block.replace(/\\\n\s*/g, "").split("\n"))
  .filter((line) => line.startsWith("$ "))
  .map((line) => line.slice(2));

/** Other words for those of the page: `{ "--over 10m": "--over 20s" }`. Each has to occur. */
export type Instead = Readonly<Record<string, string>>;

/** One server of the page's file. An actor tells its servers apart by their port, so each has one of its own: the last number of its address. */
export interface PageServer {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

const yaml = blocks("yaml")[0]!;

/** director.conf of docs/drains.md, the ports apart (see `PageServer`). */
export const pageConfig = yaml.replace(/"(10\.0\.\d+\.\d+):(\d+)"/g, (_, host: string, port: string) => {
  return `"${host}:${portOf(host, port)}"`;
});

export const pageServers: readonly PageServer[] = [
  ...yaml.matchAll(/name: (\w+), address: "(10\.0\.\d+\.\d+):(\d+)"/g),
].map(([, name, host, port]) => ({ name: name!, host: host!, port: portOf(host!, port!) }));

/** The command of docs/drains.md that begins like this, as it stands there, but for those words. @throws Error when it is not there. */
export function pageCommand(beginning: string, instead: Instead = {}): string {
  const found = commands.find((command) => command.startsWith(beginning));
  if (found === undefined) throw new Error(`docs/drains.md has no command that begins with: ${beginning}`);
  return replaced(found, instead);
}

/** release.sh of docs/drains.md, but for those words. */
export function pageScript(instead: Instead): string {
  return replaced(blocks("bash")[0]!, instead);
}

function replaced(original: string, instead: Instead): string {
  return Object.entries(instead).reduce((line, [of, by]) => {
    if (!line.includes(of)) throw new Error(`docs/drains.md does not say "${of}" any more in: ${original}`);
    return line.replace(of, by);
  }, original);
}

function portOf(host: string, port: string): number {
  const [, , third, last] = host.split(".").map(Number);
  return (port === "9090" ? 9000 : 8000 + 100 * third!) + last!;
}
