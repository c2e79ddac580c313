import { formatDuration, type Millis } from "../../model/time.ts";
import type { Notes } from "../notes.ts";
import type { Statement } from "./tree.ts";
import { timer, truth, whole } from "./words.ts";

/** How a keyword of some block is read. */
export interface Keyword {
  /** Words that must follow it; keepalived ends itself over a missing one. */
  readonly min: number;
  /** Words that are read; keepalived ignores further ones without a word. */
  readonly max: number;
  readonly block: boolean;
  readonly read: (statement: Statement) => void;
}

export type Keywords = Readonly<Record<string, Keyword>>;

/** A keyword with its words on one line. */
export function words(min: number, max: number, read: Keyword["read"]): Keyword {
  return { min, max, block: false, read };
}

/** A keyword with a block. */
export function opens(min: number, max: number, read: Keyword["read"]): Keyword {
  return { min, max, block: true, read };
}

/** Seen in real files, and never known to keepalived: what they belong to. */
const OF_OTHERS: Readonly<Record<string, string>> = {
  nat_mask: "gone from keepalived since 2.0",
  net_mask: "gone from keepalived since 2.0",
  nb_sock_retry: "never known to keepalived: retry is the word",
  nb_get_retry: "known to HTTP_GET and SSL_GET only: retry is the word",
  syn_proxy: "of a patched kernel (alibaba/LVS)",
  laddr_group_name: "of a patched kernel (FULLNAT)",
  local_address_group: "of a patched kernel (FULLNAT)",
  dynamic_weight_enable: "never known to keepalived: misc_dynamic is the word",
};

/** Reads the lines of a block, each by its keyword. Whatever keepalived would not understand, or would understand as something else, is noted
 *  and left out. */
export function readBlock(owner: Statement, keywords: Keywords, notes: Notes): void {
  for (const statement of owner.block ?? []) readStatement(owner.keyword, statement, keywords, notes);
}

function readStatement(owner: string, statement: Statement, keywords: Keywords, notes: Notes): void {
  const { keyword, args, place, block } = statement;
  const known = Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined;
  const trouble = known === undefined ? unknownWords(owner, statement) : missingWords(known, statement);
  if (known === undefined || trouble !== undefined) {
    notes.add("refused", place, keyword, trouble ?? "");
    return;
  }
  const extra = args.slice(known.max);
  const second = extra.find((word) => Object.hasOwn(keywords, word));
  if (extra.length > 0)
    notes.add(
      "refused",
      place,
      extra.join(" "),
      second === undefined
        ? `keepalived ignores what follows ${[keyword, ...args.slice(0, known.max)].join(" ")}`
        : `keepalived ignores it without a word, since it stands on the line of ${keyword}: to count, ${second} needs a line of its own`,
    );
  if (!known.block && block !== undefined)
    notes.add("refused", place, keyword, `has no block; the ${counted(linesIn(block), "line")} in it are not read`);
  known.read(statement);
}

function unknownWords(owner: string, { keyword, block }: Statement): string {
  const why = Object.hasOwn(OF_OTHERS, keyword)
    ? OF_OTHERS[keyword]!
    : `unknown in ${owner}, keepalived complains of it`;
  if (block === undefined) return why;
  const lines = counted(linesIn(block), "line");
  return `${why}; its ${lines} are not read (keepalived reads them as if they stood outside, and its } closes ${owner})`;
}

function missingWords({ min, block: wanted }: Keyword, { args, block }: Statement): string | undefined {
  if (args.length < min) return "a word is missing behind it: keepalived ends itself over this";
  return wanted && block === undefined ? "its { is missing" : undefined;
}

function linesIn(statements: readonly Statement[]): number {
  return statements.reduce((sum, { block }) => sum + 1 + (block === undefined ? 0 : linesIn(block)), 0);
}

export function counted(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}

/** Reads single values; what is none is noted, and undefined, as if the line were not there. */
export function valueReader(notes: Notes) {
  const refuse = ({ keyword, args, place }: Statement, why: string): undefined => {
    notes.add("refused", place, [keyword, ...args].join(" "), why);
    return undefined;
  };
  return {
    refuse,
    /** Seconds. */
    seconds(statement: Statement, minMs: Millis): Millis | undefined {
      const [text = ""] = statement.args;
      const ms = timer(text);
      if (ms !== undefined && ms >= minMs) return ms;
      if (ms !== undefined) return refuse(statement, "too short, keepalived refuses it");
      const digits = /^(\d+)[a-z]+$/i.exec(text)?.[1];
      const instead = digits === undefined ? "" : `, yet takes it for ${Number(digits) / 1e6} s`;
      return refuse(
        statement,
        `is no number of seconds: keepalived complains of it${instead}. As if it were not there; write what is meant`,
      );
    },
    /** A whole number, both limits included. */
    count(statement: Statement, min: number, max: number): number | undefined {
      return (
        whole(statement.args[0], min, max) ??
        refuse(statement, `expected a whole number from ${min} to ${max}; left out`)
      );
    },
    /** on or off; nothing is on. */
    flag(statement: Statement): boolean | undefined {
      return truth(statement.args[0]) ?? refuse(statement, "expected true, on, yes, false, off or no; left out");
    },
  };
}

export type ValueReader = ReturnType<typeof valueReader>;

/** `1m30s`, and `0.5ms` where formatDuration has no word for it. */
export function durationWords(ms: Millis): string {
  return ms > 0 && ms < 1 ? `${ms}ms` : formatDuration(ms);
}
