import { formatSize } from "./http-options.ts";

/** A reply of one or more lines (RFC 5321 4.2); the last one's code counts. */
export interface SmtpReply {
  readonly kind: "reply";
  /** 200 to 599. */
  readonly code: number;
  /** Each with its code. */
  readonly lines: readonly string[];
}

/** No reply, and never will be. */
export interface SmtpTrouble {
  readonly kind: "trouble";
  /** Follows `the greeting` or `the reply to EHLO`. */
  readonly reason: string;
}

/** Lines are 512 bytes at most (RFC 5321 4.5.3.1.5), and no server has a hundred of them to say. */
const MAX_REPLY = 16 * 1024;

/** Reads replies from a stream, one at a time: what follows a whole reply has not been asked for. Afterwards it is ready for the next. */
export function smtpReader(): { read(chunk: Buffer): "more" | SmtpReply | SmtpTrouble; readonly begun: boolean } {
  let lines: string[] = [];
  let rest = "";
  let size = 0;

  function line(text: string): "more" | SmtpReply | SmtpTrouble {
    const [, code, mark] = /^([2-5]\d\d)(?:([ -])|$)/.exec(text) ?? [];
    if (code === undefined) return { kind: "trouble", reason: `is not SMTP: ${quoted(text)}` };
    lines.push(text);
    if (mark === "-") return "more";
    const reply: SmtpReply = { kind: "reply", code: Number(code), lines };
    lines = [];
    size = 0;
    return reply;
  }

  return {
    get begun() {
      return size > 0;
    },
    read(chunk) {
      size += chunk.length;
      if (size > MAX_REPLY) return { kind: "trouble", reason: `is longer than ${formatSize(MAX_REPLY)}` };
      rest += chunk.toString("latin1");
      for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
        const found = line(rest.slice(0, end).replace(/\r$/, ""));
        rest = rest.slice(end + 1);
        if (found === "more") continue;
        if (found.kind === "reply" && rest !== "")
          return { kind: "trouble", reason: `is followed by what nobody asked for: ${quoted(rest)}` };
        return found;
      }
      return "more";
    },
  };
}

/** The first of a reply's lines, as people can read it. */
export function quoted(text: string): string {
  const line = text.split("\r")[0]!.split("\n")[0]!;
  return JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}…` : line);
}
