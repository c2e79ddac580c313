import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const { findTmux } = createRequire(import.meta.url)("../../bin/setup-tmux.cjs") as {
  findTmux(): { readonly program: string; readonly libraries: string | undefined } | undefined;
};

/** tmux as bin/setup-tmux.cjs has found or brought it; undefined: there is none. */
const tmux = findTmux();
export const noTmux: string | false = tmux === undefined ? "there is no tmux" : false;

/** On a machine that has other things to do as well. */
const PATIENCE_MS = 20_000;
const LOOK_EVERY_MS = 50;

/** A real terminal, as far as the program in it can tell. */
export interface Terminal {
  /** What is on the screen, line by line, without blanks at their ends. */
  screen(): Promise<readonly string[]>;
  /** Resolves with the screen when the pattern stands there. */
  shows(pattern: RegExp): Promise<string>;
  /** Keys as tmux names them: `q`, `Enter`, `C-c`; typed one after the other. */
  press(...keys: readonly string[]): Promise<void>;
  /** Characters as they are. */
  type(text: string): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
  /** What the terminal itself is like: `1` where the alternate screen is on, `1` where the cursor is shown. */
  modes(): Promise<{ readonly alternate: boolean; readonly cursor: boolean; readonly wraps: boolean }>;
  close(): Promise<void>;
}

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a shell command in a terminal of its own, which stays after its end and shows `ended: CODE`. */
export async function terminal(command: string, options: TerminalOptions = {}): Promise<Terminal> {
  if (tmux === undefined) throw new Error("there is no tmux");
  const { program, libraries } = tmux;
  const { columns = 80, rows = 24, env = {} } = options;
  // The name of a unix socket may be 107 bytes long: not below a test's own folder.
  const dir = mkdtempSync(join(tmpdir(), "tmux-"));
  const socket = join(dir, randomBytes(4).toString("hex"));
  const { DIRECTOR_SOCKET: _, TMUX: __, NO_COLOR: ___, FORCE_COLOR: ____, ...clean } = process.env;
  const surroundings = {
    ...clean,
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    TERM: "xterm",
    HOME: dir,
    ...(libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries }),
    ...env,
  };
  const run = async (...args: readonly string[]): Promise<string> => {
    const done = await promisify(execFile)(program, ["-u", "-S", socket, "-f", "/dev/null", ...args], {
      env: surroundings,
    });
    return done.stdout;
  };
  const size = ["-x", String(columns), "-y", String(rows)];
  await run("new-session", "-d", ...size, `${command}; echo "ended: $?"; exec cat`);

  async function screen(): Promise<readonly string[]> {
    return (await run("capture-pane", "-p")).replace(/\n$/, "").split("\n");
  }

  return {
    screen,
    async shows(pattern) {
      for (const until = performance.now() + PATIENCE_MS; ; await sleep(LOOK_EVERY_MS)) {
        const text = (await screen()).join("\n");
        if (pattern.test(text)) return text;
        if (performance.now() > until) throw new Error(`${pattern} not seen on the screen:\n${text}`);
      }
    },
    press: async (...keys) => void (await run("send-keys", ...keys)),
    type: async (text) => void (await run("send-keys", "-l", text)),
    resize: async (x, y) => void (await run("resize-window", "-x", String(x), "-y", String(y))),
    async modes() {
      const said = await run("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}");
      const [alternate, cursor, wraps] = said.trim().split(" ");
      return { alternate: alternate === "1", cursor: cursor === "1", wraps: wraps === "1" };
    },
    async close() {
      await run("kill-server").catch(() => {});
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
