import { type Command, Option } from "commander";
import { type CommandLine, REASON } from "./command-line.ts";
import type { DrainOptions } from "./drain-body.ts";
import type { DrainWord, Which } from "./drain-words.ts";
import type { UndrainOptions } from "./undrain.ts";

/** `director drain` with everything below it, and `director undrain`. */
export function drainCommands(line: CommandLine): void {
  const drain = beginning(line);
  looking(line, drain);
  ordering(line, drain);
  undrainCommand(line);
}

function beginning({ program, runs, contextOf }: CommandLine): Command {
  const choice = (flags: string, description: string, ...values: readonly [string, ...string[]]) =>
    new Option(flags, `${description} (default: ${values[0]})`).choices(values);
  const then = choice("--then <what>", "afterwards the old stay at weight 0, or leave the table", "keep", "remove");
  // Options with a property called `then` would be taken for a promise.
  then.attributeName = () => "afterwards";
  return program
    .command("drain")
    .description("move weight from old servers to new ones, step by step; or do more with a drain, see below")
    .usage("[options] <service> | --host <host> | <command>")
    .argument("[service]")
    .option("--service <name>", "the service, if it is called like one of the commands below")
    .option("--host <host>", "name or address of a machine: all its servers, in every service that has it")
    .option("--from <server,...>", "who gives its weight: names, addresses, label=KEY=VALUE", list)
    .option("--to <server,...>", "who takes it; without: the rest of the pool, by its own weights", list)
    .option("--add", "bring in servers of --to that the file does not have: ADDRESS:PORT")
    .option("--over <duration>", "how long the whole shift takes: 10m")
    .option("--every <duration>", "from step to step: 30s")
    .option("--steps <percent,...>", "instead of --over: 5,10,25,50,100, each held for --every", list)
    .option("--now", "everything in one step")
    .option("--pause-at <percent,...>", "wait there for drain resume", list)
    .option("--ttl <duration>", "undo it by itself this long after it began, whatever it has become")
    .option("--min-capacity <percent>", "refuse and pause below this share of the healthy weight (default: 50%)")
    .option("--allow-empty", "the last server of the pool may go")
    .option("--new-down-timeout <duration>", "how long the new may be down before everything goes back (default: 60s)")
    .addOption(choice("--on-new-down <what>", "when the new goes down", "wait", "rollback"))
    .addOption(
      choice("--on-restart <what>", "after a gap longer than two steps and 60s", "pause", "resume", "rollback"),
    )
    .addOption(choice("--idle <which>", "the connections that are waited for in the end", "active", "all", "none"))
    .option("--grace <duration>", "how long they are waited for (default: 10m)")
    .addOption(then)
    .addOption(
      choice("--at-grace <what>", "with --then remove: wait for the last connection, or cut it", "keep", "remove"),
    )
    .option("--force", "accept a scheduler other than wrr")
    .option("--dry-run", "print the steps, change nothing")
    .option("--detach", "do not wait; print the id")
    .option(...REASON)
    .option("--request-id <id>", "the same order with the same id begins one drain only")
    .action(
      runs(async (service: string | undefined, options: DrainOptions, command: Command) => {
        const commands = await import("./drain.ts");
        return commands.drain(contextOf(command), service, options);
      }),
    );
}

function list(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(",").filter((part) => part !== "")];
}

/** Wherever they stand, commander gives the options that both know to `drain`.
 *  @param known those that mean something to `command` */
function own(drain: Command, command: Command, ...known: readonly (keyof DrainOptions)[]): DrainOptions {
  const given: DrainOptions = drain.opts();
  const strange = drain.options.find((option) => {
    const key = option.attributeName() as keyof DrainOptions;
    return given[key] !== undefined && !known.includes(key);
  });
  if (strange) command.error(`error: option '${strange.long}' has no meaning for drain ${command.name()}`);
  return given;
}

const NAME = ["[id|service]", "may be left out if only one is under way; h-... is a machine's"] as const;
const ALL = "every drain under way";

function looking({ runs, contextOf }: CommandLine, drain: Command): void {
  drain
    .command("list")
    .description("drains under way, and ended ones whose shares still stand")
    .option("--all", "those that are over as well")
    .action(
      runs(async (options: { readonly all?: boolean }, command: Command) => {
        own(drain, command);
        const { drainList } = await import("./drain-words.ts");
        return drainList(contextOf(command), options);
      }),
    );
  drain
    .command("status")
    .description("one drain in detail, or all that are under way")
    .argument("[id|service]")
    .option("--wait", "the same as drain watch")
    .action(
      runs(async (name: string | undefined, options: { readonly wait?: boolean }, command: Command) => {
        own(drain, command);
        const words = await import("./drain-words.ts");
        const context = contextOf(command);
        return options.wait ? words.drainWatch(context, { name }) : words.drainStatus(context, name);
      }),
    );
  drain
    .command("watch")
    .description("show how it goes until it ends, with the exit codes of drain")
    .argument(...NAME)
    .option("--all", ALL)
    .action(
      runs(async (name: string | undefined, { all }: Which, command: Command) => {
        own(drain, command);
        const { drainWatch } = await import("./drain-words.ts");
        return drainWatch(contextOf(command), { name, all });
      }),
    );
  drain
    .command("settle")
    .description("what the file would have to say to agree with what drains and commands have left")
    .action(
      runs(async (_: unknown, command: Command) => {
        own(drain, command);
        const { settle } = await import("./settle.ts");
        return settle(contextOf(command));
      }),
    );
}

function ordering({ runs, contextOf }: CommandLine, drain: Command): void {
  const words: readonly (readonly [DrainWord, string])[] = [
    ["pause", "hold it where it is"],
    ["resume", "go on with a paused one"],
    ["finish", "to the last step, now"],
    ["rollback", "the weights of before, at once; also after its end"],
    ["abort", "end it where it is: shares stand"],
  ];
  for (const [word, description] of words)
    drain
      .command(word)
      .description(description)
      .argument(...NAME)
      .option("--all", ALL)
      .option(...REASON)
      .action(
        runs(async (name: string | undefined, { all }: Which, command: Command) => {
          const { reason } = own(drain, command, "reason");
          const { drainOrder } = await import("./drain-words.ts");
          return drainOrder(contextOf(command), word, { name, all }, reason);
        }),
      );
}

function undrainCommand({ program, runs, contextOf }: CommandLine): void {
  program
    .command("undrain")
    .description("give a server back what drains took from it, and wait until it has it")
    .usage("[options] <service> <server> | --host <host>")
    .argument("[service]")
    .argument("[server]", "name, address:port or address")
    .option("--host <host>", "name or address of a machine: in every service where it is drained")
    .option("--timeout <duration>", "how long to wait until it is healthy and at full weight", "60s")
    .option(...REASON)
    .action(
      runs(
        async (service: string | undefined, server: string | undefined, options: UndrainOptions, command: Command) => {
          const { undrain } = await import("./undrain.ts");
          return undrain(contextOf(command), service, server, options);
        },
      ),
    );
}
