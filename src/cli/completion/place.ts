import type { Argument, Command, Option } from "commander";

/** Where on a command line somebody wants to know what may follow. */
export interface Place {
  readonly command: Command;
  /** Its arguments so far. */
  readonly args: readonly string[];
  /** Options with their values so far, `true` where they have none, by their long names. */
  readonly given: ReadonlyMap<string, string | true>;
  readonly wanted: Wanted;
}

/** What the last word is, or begins. `typed` is what there is of it, `before` what stands before that in the same word. */
export type Wanted =
  | { readonly kind: "option-name"; readonly typed: string }
  | { readonly kind: "option-value"; readonly option: Option; readonly before: string; readonly typed: string }
  | {
      readonly kind: "argument";
      readonly argument: Argument | undefined;
      readonly commands: boolean;
      readonly typed: string;
    };

/** Follows the words as commander will.
 *  @param words all after the program's name; the last is the one to complete, perhaps empty */
export function placeOf(program: Command, words: readonly string[]): Place {
  let command = program;
  let args: readonly string[] = [];
  let awaiting: Option | undefined;
  let literal = false;
  const given = new Map<string, string | true>();
  for (const word of words.slice(0, -1)) {
    if (awaiting && (awaiting.required || !word.startsWith("-"))) {
      note(given, awaiting, word);
      awaiting = undefined;
      continue;
    }
    awaiting = undefined;
    if (literal || !word.startsWith("-") || word === "-") {
      const next = args.length === 0 ? subcommand(command, word) : undefined;
      if (next) command = next;
      else args = [...args, word];
    } else if (word === "--") literal = true;
    else {
      const [name = "", ...value] = word.split("=");
      const option = optionNamed(command, name);
      if (option === undefined) continue;
      const takes = option.required || option.optional;
      if (takes && value.length === 0) awaiting = option;
      note(given, option, takes && value.length > 0 ? value.join("=") : true);
    }
  }
  return { command, args, given, wanted: wantedBy(command, args, awaiting, literal, words.at(-1) ?? "") };
}

function note(given: Map<string, string | true>, option: Option, value: string | true): void {
  given.set(option.long ?? option.flags, value);
}

function wantedBy(
  command: Command,
  args: readonly string[],
  awaiting: Option | undefined,
  literal: boolean,
  word: string,
): Wanted {
  if (awaiting && (awaiting.required || !word.startsWith("-")))
    return { kind: "option-value", option: awaiting, before: "", typed: word };
  if (!literal && word.startsWith("-")) {
    const [name, ...value] = word.split("=");
    const option = value.length > 0 ? optionNamed(command, name!) : undefined;
    if (option) return { kind: "option-value", option, before: `${name}=`, typed: value.join("=") };
    return { kind: "option-name", typed: word };
  }
  const known = command.registeredArguments;
  const last = known.at(-1);
  const argument = known[args.length] ?? (last?.variadic ? last : undefined);
  return { kind: "argument", argument, commands: args.length === 0, typed: word };
}

function subcommand(command: Command, name: string): Command | undefined {
  return command.commands.find((each) => each.name() === name || each.aliases().includes(name));
}

function optionNamed(command: Command, name: string): Option | undefined {
  return optionsOf(command).find(({ short, long }) => short === name || long === name);
}

/** Its own, and those that every command has. */
export function optionsOf(command: Command): readonly Option[] {
  let root = command;
  while (root.parent) root = root.parent;
  const own = command.createHelp().visibleOptions(command);
  return command === root ? own : [...own, ...root.options.filter(({ long }) => long !== "--version")];
}
