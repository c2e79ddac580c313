import { styleText } from "node:util";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** Marks a text; on anything but a terminal that shows colours (NO_COLOR, TERM=dumb) it comes back as it is. */
export type Paint = (style: Style, text: string) => string;

export const plain: Paint = (_, text) => text;

/** Where a command writes. */
export interface Output {
  /** A terminal that can redraw a line. */
  readonly tty: boolean;
  /** Of the terminal, at the moment; undefined: no terminal, lines may be of any length. */
  columns(): number | undefined;
  /** Likewise, how many lines it shows. */
  rows(): number | undefined;
  readonly paint: Paint;
  /** Lines on stdout; each is ended. */
  print(...lines: readonly string[]): void;
  /** Text on stdout as it is. */
  write(text: string): void;
  /** Lines on stderr. */
  warn(...lines: readonly string[]): void;
  /** From now on the command ends without a word when whoever reads stdout has enough of it (`director events | head`). What cannot be written for
   *  another reason (a full disk) is a failure. */
  endWithoutReader(): void;
}

export function processOutput(): Output {
  const { stdout, stderr, env } = process;
  return {
    tty: stdout.isTTY === true && env.TERM !== "dumb",
    // A terminal that does not know its size says 0.
    columns: () => (stdout.isTTY ? stdout.columns || undefined : undefined),
    rows: () => (stdout.isTTY ? stdout.rows || undefined : undefined),
    paint: (style, text) => styleText(style, text, { stream: stdout }),
    print: (...lines) => void stdout.write(lines.map((line) => `${line}\n`).join("")),
    write: (text) => void stdout.write(text),
    warn: (...lines) => void stderr.write(lines.map((line) => `${line}\n`).join("")),
    endWithoutReader,
  };
}

/** What shells show of a process that SIGPIPE ended, which Node ignores. */
const ENDED_BY_SIGPIPE = 141;

function endWithoutReader(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(ENDED_BY_SIGPIPE);
      if (stream === process.stdout) process.stderr.write(`director: cannot write: ${error.message}\n`);
      process.exit(1);
    });
}
