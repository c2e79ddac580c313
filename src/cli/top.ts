import { Unreachable } from "../control/client.ts";
import type { StatusReply } from "../control/shapes.ts";
import type { Millis } from "../model/time.ts";
import { type Context, EXIT, pause, UsageError } from "./context.ts";
import { fetchStatus } from "./status.ts";
import { openTerminal } from "./terminal.ts";
import { rateHistory } from "./top/rates.ts";
import { type Picture, screen } from "./top/screen.ts";
import { FIRST_VIEW, type Key, pressed, type View } from "./top/view.ts";
import { unreachableWords } from "./unreachable.ts";

/** The kernel's rates move every 2 seconds. */
const ASK_EVERY_MS: Millis = 2_000;
/** Ages are whole seconds. */
const DRAW_EVERY_MS: Millis = 1_000;
/** A daemon that takes longer is missed. */
const MISSED_AFTER_MS: Millis = 5_000;

/** `director top`: the table as it moves, until somebody has enough of it. */
export async function top(context: Context, services: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const { out, clock, signal } = context;
  if (context.json)
    throw new UsageError("top is for people; for programs: director status --json, director events -f --json");
  if (!out.tty || !process.stdin.isTTY)
    throw new UsageError("top needs a terminal; without one: director status, director status --watch");
  const rates = rateHistory();
  // Whoever is not there now is told of in words that stay; only who is lost later is waited for.
  let status = await fetchStatus(context, services);
  rates.take(status);
  /** When what is shown was true, and when somebody last answered: not the same while it is held. */
  let shownAt = clock.now().mono;
  let heardAt = shownAt;
  let trouble: string | undefined;
  let view: View = FIRST_VIEW;
  let page = 1;
  let rows = 0;

  const terminal = openTerminal({
    onKey,
    onChange() {
      terminal.clear();
      draw();
    },
    onEnd: context.abort,
  });

  function picture(): Picture {
    const { mono } = clock.now();
    const silentMs = mono - heardAt;
    const why = trouble ?? (silentMs > MISSED_AFTER_MS ? "it takes its time" : undefined);
    return {
      status,
      // Its clock, going on: ours may differ.
      now: view.held ? status.now : status.now + (mono - shownAt),
      rates,
      view,
      lost: why === undefined ? undefined : { silentMs, why },
      unicode: showsUnicode(env),
      paint: out.paint,
    };
  }

  function draw(): void {
    const drawn = screen(picture(), { columns: out.columns() ?? 80, rows: out.rows() ?? 24 });
    ({ page, rows } = drawn);
    view = { ...view, offset: Math.min(view.offset, Math.max(0, rows - page)) };
    terminal.draw(drawn.lines);
  }

  function onKey(key: Key): void {
    const answer = pressed(view, key, page, rows);
    switch (answer.kind) {
      case "quit":
        context.abort();
        return;
      case "suspend":
        terminal.suspend();
        return;
      case "redraw":
        terminal.clear();
        break;
      case "view":
        view = answer.view;
    }
    draw();
  }

  function take(next: StatusReply): void {
    trouble = undefined;
    heardAt = clock.now().mono;
    if (view.held) return;
    status = next;
    shownAt = heardAt;
    rates.take(next);
  }

  async function ask(): Promise<void> {
    while (!signal.aborted) {
      try {
        take(await fetchStatus(context, services));
      } catch (error) {
        if (signal.aborted) return;
        trouble = words(error);
      }
      await pause(clock, ASK_EVERY_MS, signal);
    }
  }

  async function redraw(): Promise<void> {
    while (!signal.aborted) {
      draw();
      await pause(clock, DRAW_EVERY_MS, signal);
    }
  }

  try {
    await Promise.all([ask(), redraw()]);
  } finally {
    context.abort();
    terminal.close();
  }
  return EXIT.ok;
}

function words(error: unknown): string {
  if (error instanceof Unreachable)
    return unreachableWords(error)[0]!.replace(/^director: cannot reach the daemon at \S+ /, "");
  return error instanceof Error ? error.message : String(error);
}

/** As the C library finds it: the first of these that is set. */
function showsUnicode({ LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv): boolean {
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || "");
}
