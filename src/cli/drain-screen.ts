import type { DrainStatus } from "../control/shapes.ts";
import { type Context, EXIT } from "./context.ts";
import { ALL, type Watched } from "./drain-find.ts";
import { changeKey, changeLine, isRunning, pace, progressLines, route } from "./drain-text.ts";
import type { Output } from "./output.ts";

/** Where drains that are waited for are shown. */
export interface Screen {
  show(watched: Watched): void;
  /** Each has ended or stands still; with what that means as an exit code. */
  end(watched: Watched, exits: readonly number[]): void;
  /** We stop looking, the drains go on. */
  leave(watched: Watched): void;
  /** Something went wrong, which is told elsewhere. */
  close(): void;
}

/** On a terminal a line for each drain that is drawn again and again, for programs a value a line, elsewhere a line for each change. */
export function drainScreen(context: Pick<Context, "json" | "out" | "clock">): Screen {
  const { json, out, clock } = context;
  if (json) return { ...lineScreen(context), show: eachChange((drain) => out.print(JSON.stringify(drain))) };
  if (out.tty) return terminalScreen(out);
  const lines = lineScreen(context);
  const change = eachChange((drain) => out.print(changeLine(drain, clock.now().epoch)));
  return {
    ...lines,
    show(watched) {
      lines.show(watched);
      change(watched);
    },
  };
}

/** What is told beside the lines themselves. */
function lineScreen({ out }: Pick<Context, "out">): Screen {
  let begun = false;
  const fresh = freshWarnings();
  return {
    show(watched) {
      if (!begun) out.warn(`${beginning(watched)}; ${follow(watched)}`);
      begun = true;
      out.warn(...fresh(watched).map((warning) => `warning: ${warning}`));
    },
    end(watched, exits) {
      const unwell = watched.drains.filter((_, i) => exits[i] !== EXIT.ok);
      out.warn(...unwell.map((drain) => drain.message), ...whatNow(watched));
    },
    leave: (watched) => out.warn(...farewell(watched)),
    close: () => {},
  };
}

/** Back to the first line drawn, all below it cleared. */
const above = (lines: number): string => `\r${lines > 1 ? `\x1b[${lines - 1}A` : ""}\x1b[J`;

function terminalScreen(out: Output): Screen {
  let begun = false;
  let drawn = 0;
  const fresh = freshWarnings();
  const clear = () => {
    out.write(above(drawn));
    drawn = 0;
  };
  return {
    show(watched) {
      if (!begun)
        out.print(
          `${beginning(watched)}; Ctrl-C stops watching, not ${watched.drains.length === 1 ? "the drain" : "the drains"}`,
        );
      begun = true;
      const warnings = fresh(watched).map((warning) => `${out.paint("yellow", "warning")}: ${warning}\n`);
      const lines = fitting(watched.drains, out);
      out.write(`${above(drawn)}${warnings.join("")}${lines.join("\n")}`);
      drawn = lines.length;
    },
    end(watched) {
      clear();
      out.print(...watched.drains.map((drain) => drain.message));
      out.warn(...whatNow(watched));
    },
    leave(watched) {
      out.print("");
      out.warn(...farewell(watched));
    },
    close: () => out.print(""),
  };
}

/** No more lines than the terminal has: what has scrolled away cannot be drawn again. Those under way come first then. */
function fitting(drains: readonly DrainStatus[], out: Output): readonly string[] {
  const width = (out.columns() ?? 80) - 1;
  const room = Math.max(2, (out.rows() ?? 24) - 1);
  if (drains.length <= room) return progressLines(drains, width);
  const shown = [...drains].sort((a, b) => Number(isRunning(b)) - Number(isRunning(a))).slice(0, room - 1);
  return [...progressLines(shown, width), `and ${drains.length - shown.length} more`];
}

function eachChange(print: (drain: DrainStatus) => void): (watched: Watched) => void {
  const shown = new Map<string, string>();
  return ({ drains }) => {
    for (const drain of drains) {
      const key = changeKey(drain);
      if (shown.get(drain.id) !== key) print(drain);
      shown.set(drain.id, key);
    }
  };
}

/** Each warning once; one that differs in its numbers only is the same. */
function freshWarnings(): (watched: Watched) => readonly string[] {
  const said = new Set<string>();
  return ({ drains }) =>
    drains.flatMap(({ id, service, warnings }) =>
      warnings.flatMap((warning) => {
        const kind = `${id} ${warning.replace(/\d+(\.\d+)?/g, "#")}`;
        if (said.has(kind)) return [];
        said.add(kind);
        return [drains.length === 1 ? warning : `${service}: ${warning}`];
      }),
    );
}

/** `drain d-1: web: old -> new, 4 steps, one every 30s`. */
function beginning({ name, drains }: Watched): string {
  const [first] = drains as readonly [DrainStatus];
  if (drains.length === 1) return `drain ${name}: ${first.service}: ${route(first)}, ${pace(first)}`;
  const services = drains.map((drain) => drain.service).join(", ");
  if (name === ALL || !first.parent) return `${drains.length} drains: ${services}`;
  return `drain ${name}: machine ${first.parent.host} in ${drains.length} services (${services}), ${pace(first)}`;
}

function whatNow({ name, drains }: Watched): readonly string[] {
  if (!drains.some(isRunning)) return [];
  return [`go on with: director drain resume ${name}; go back with: director drain rollback ${name}`];
}

function follow({ name }: Watched): string {
  return `follow it with: director drain watch ${name}`;
}

function farewell(watched: Watched): readonly string[] {
  const { name } = watched;
  return [
    `director: no longer watching; ${name === ALL ? "every drain" : `drain ${name}`} goes on by itself`,
    `  ${follow(watched)}`,
    `  hold it with: director drain pause ${name}; undo it with: director drain rollback ${name}`,
  ];
}
