import { apiPath } from "../control/client.ts";
import type { SettleReply } from "../control/shapes.ts";
import { columns } from "./columns.ts";
import { type Context, EXIT, printJson } from "./context.ts";
import type { Paint } from "./output.ts";

/** `director drain settle`: the lines that make the file agree with what drains and commands have left. */
export async function settle(context: Context): Promise<number> {
  const { client, signal, out } = context;
  const { body } = await client.get<SettleReply>(apiPath("settle"), signal);
  if (context.json) printJson(context, body);
  else out.print(...settleText(body, { paint: out.paint, width: out.columns() }));
  return EXIT.ok;
}

type Line = SettleReply["lines"][number];

/** By service: beside each server what to write, what stands there now, and why. */
export function settleText(
  { lines }: SettleReply,
  { paint, width }: { readonly paint: Paint; readonly width: number | undefined },
): readonly string[] {
  if (lines.length === 0) return ["nothing to settle: the file agrees with what drains and commands have left"];
  const services = [...Map.groupBy(lines, (line) => line.service)].flatMap(([service, own]) => [
    paint("bold", service),
    ...columns(own.map(row), { paint, width, indent: "  " }),
  ]);
  return [...services, "", ...remarks(lines)];
}

function row(line: Line): readonly string[] {
  const { server, address, because } = line;
  // A server is often named by its address.
  return [server, server === address ? "" : address, toWrite(line), `# ${asIs(line)}; ${because}`];
}

function toWrite({ remove, added, weight }: Line): string {
  if (remove) return "the line may go";
  return added ? `a line for it, weight: ${weight}` : `weight: ${weight}`;
}

function asIs({ added, configured }: Line): string {
  return added ? "not in the file" : `now ${configured}`;
}

function remarks(lines: readonly Line[]): readonly string[] {
  const takesAway = lines.some(({ configured, weight, remove }) => configured > 0 && (weight === 0 || remove));
  return [
    "Write all of them, then reload: the table stays as it is, and the drains behind it are over.",
    ...(takesAway ? ["If that takes away more than reload.max_removed: director reload --force"] : []),
  ];
}
