import { emitKeypressEvents } from "node:readline";
import type { Key } from "./top/view.ts";

/** A terminal that is ours for a while; whatever ends us, it is left as it was found. */
export interface Terminal {
  draw(lines: readonly string[]): void;
  /** Forgets what is on the screen: somebody else has written there. */
  clear(): void;
  /** To the shell, until `fg`. */
  suspend(): void;
  /** Back to what was there before. May be called again. */
  close(): void;
}

export interface TerminalListeners {
  readonly onKey: (key: Key) => void;
  /** It has another size, or was given back to us. */
  readonly onChange: () => void;
  /** Nobody is there any more. */
  readonly onEnd: () => void;
}

/** The alternate screen, no cursor, and lines that are too long end at the edge instead of going on below. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const HOME = "\x1b[H";
const CLEAR = "\x1b[2J";
/** Cleared, since some terminals keep a line of ours when their size has changed meanwhile. */
const LEAVE = `${HOME}${CLEAR}\x1b[?7h\x1b[?25h\x1b[?1049l`;
const CLEAR_LINE = "\x1b[K";

/** What ends a process that does not catch it. */
const DEADLY = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** Takes over the terminal of this process, which there must be on both stdin and stdout. */
export function openTerminal({ onKey, onChange, onEnd }: TerminalListeners): Terminal {
  const { stdin, stdout } = process;
  let open = false;

  function enter(): void {
    open = true;
    stdin.setRawMode(true);
    stdin.resume();
    stdout.write(ENTER + CLEAR);
  }

  function leave(): void {
    if (!open) return;
    open = false;
    // The terminal may be gone already.
    try {
      stdin.setRawMode(false);
    } catch {}
    stdin.pause();
    stdout.write(LEAVE);
  }

  const dies = (signal: NodeJS.Signals) => {
    close();
    // Whoever started us is to see what ended us.
    process.kill(process.pid, signal);
  };
  const continued = () => {
    enter();
    onChange();
  };
  const keypress = (text: string | undefined, { name, ctrl }: { readonly name?: string; readonly ctrl?: boolean }) =>
    onKey({ name, text: text ?? "", ctrl: ctrl === true });

  emitKeypressEvents(stdin);
  stdin.on("keypress", keypress);
  stdin.on("end", onEnd);
  stdin.on("error", onEnd);
  stdout.on("resize", onChange);
  process.on("SIGCONT", continued);
  for (const signal of DEADLY) process.on(signal, dies);
  // Before the words about a crash are written, which would go with the alternate screen.
  process.on("uncaughtExceptionMonitor", leave);
  process.on("exit", leave);
  enter();

  function close(): void {
    leave();
    stdin.off("keypress", keypress);
    stdin.off("end", onEnd);
    stdin.off("error", onEnd);
    stdout.off("resize", onChange);
    process.off("SIGCONT", continued);
    for (const signal of DEADLY) process.off(signal, dies);
    process.off("uncaughtExceptionMonitor", leave);
    process.off("exit", leave);
  }

  return {
    // Cleared first: behind a line that reaches the edge the cursor stands on its last character.
    draw: (lines) => void stdout.write(HOME + lines.map((line) => CLEAR_LINE + line).join("\r\n")),
    clear: () => void stdout.write(CLEAR),
    suspend() {
      leave();
      process.kill(process.pid, "SIGTSTP");
    },
    close,
  };
}
