import { type Argument, Command, CommanderError, Option } from "commander";
import { systemClock } from "../runtime/clock.ts";
import type { AdminOptions } from "./admin.ts";
import type { ConfigOptions } from "./config.ts";
import type { Context, GlobalOptions } from "./context.ts";
import { createContext } from "./context.ts";
import type { DrainOptions, DrainWord } from "./drain.ts";
import type { EventsOptions } from "./events.ts";
import { failure } from "./failure.ts";
import { endWithoutReader, processOutput } from "./output.ts";
import type { ReloadOptions } from "./reload.ts";
import type { StatusOptions } from "./status.ts";
import { VERSION } from "./version.ts";

/** The command line. Each command is loaded when it is called: `status` needs neither the parser of the file nor the probes. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let exit = 0;
  /** What a command's action does: its exit code becomes ours. */
  const runs =
    <A extends readonly unknown[]>(action: (...args: A) => Promise<number>) =>
    async (...args: A): Promise<void> => {
      endWithoutReader();
      exit = await action(...args);
    };
  const program = described();
  daemonCommand(program, (code) => {
    exit = code;
  });
  seeing(program, runs);
  serverCommands(program, runs);
  drainCommands(program, runs);
  configCommands(program, runs);
  try {
    await program.parseAsync(argv, { from: "user" });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return failure(error, processOutput());
  }
}

type Runs = <A extends readonly unknown[]>(action: (...args: A) => Promise<number>) => (...args: A) => Promise<void>;

function described(): Command {
  return new Command("director")
    .description("Health-checking director for Linux IPVS: probes real servers, sets weights, drains old to new.")
    .version(VERSION, "-V, --version", "print the version")
    .option("--socket <path>", "the daemon's socket; or DIRECTOR_SOCKET")
    .option("--json", "for programs: JSON instead of text")
    .configureHelp({
      showGlobalOptions: true,
      // Of all that stands above a command only what every command has: the options of `drain` are not those of `drain abort`.
      visibleGlobalOptions: (command) =>
        command.parent === null ? [] : rootOf(command).options.filter((option) => option.long !== "--version"),
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map((argument) => bracketed(argument))].join(" "),
    })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "director: ")) })
    .helpOption("-h, --help", "print this")
    .exitOverride()
    .showHelpAfterError("(--help shows what there is)")
    .addHelpText(
      "after",
      `
Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 69 daemon not reachable, 78 bad configuration.
A drain that was waited for: 0 no connection left, 3 grace over with some left, 4 undone, 5 paused.`,
    );
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

function bracketed(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function contextOf(command: Command): Context {
  return createContext(command.optsWithGlobals<GlobalOptions>());
}

function daemonCommand(program: Command, ended: (code: number) => void): void {
  program
    .command("run")
    .description("the daemon")
    .requiredOption("-c, --config <file>", "the configuration, /etc/director/director.conf for example")
    .action(async ({ config }: { readonly config: string }) => {
      const { runDaemon } = await import("./run.ts");
      ended(await runDaemon({ configFile: config }));
    });
}

function seeing(program: Command, runs: Runs): void {
  program
    .command("demo")
    .description("a failure, a recovery and a drain, live, in 25 seconds; needs no root and no daemon")
    .action(
      runs(async () => {
        const { demo } = await import("./demo.ts");
        return demo(processOutput(), systemClock);
      }),
    );
  program
    .command("status")
    .description("what is wrong, then every service and server, then drains under way")
    .argument("[service...]", "only these")
    .option("--watch", "again every 2 seconds, until Ctrl-C")
    .action(
      runs(async (services: readonly string[], options: StatusOptions, command: Command) => {
        const { status } = await import("./status.ts");
        return status(contextOf(command), services, options);
      }),
    );
  program
    .command("explain")
    .description("why a server has the weight it has")
    .argument("<service>")
    .argument("<server>", "name, address:port or address")
    .action(
      runs(async (service: string, server: string, _: unknown, command: Command) => {
        const { explain } = await import("./admin.ts");
        return explain(contextOf(command), service, server);
      }),
    );
  program
    .command("events")
    .description("what happened: the last 10,000 events")
    .option("-f, --follow", "the last 10, then what happens from now on")
    .option("--after <seq>", "only what came after this sequence number")
    .action(
      runs(async (options: EventsOptions, command: Command) => {
        const { events } = await import("./events.ts");
        return events(contextOf(command), options);
      }),
    );
}

const REASON = ["--reason <text>", "why, for the log and for those who come after"] as const;

function serverCommands(program: Command, runs: Runs): void {
  const onServer = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .argument("<service>")
      .argument("<server>", "name, address:port or address");

  onServer("enable", "let a server have clients again")
    .option(...REASON)
    .action(
      runs(async (service: string, server: string, options: AdminOptions, command: Command) => {
        const { enable } = await import("./admin.ts");
        return enable(contextOf(command), service, server, options);
      }),
    );
  onServer("disable", "weight 0 for a server, until it is enabled; survives restarts")
    .option(...REASON)
    .option("--until <when>", "2h, or 2026-11-20T06:00:00Z: enabled again by itself then")
    .action(
      runs(async (service: string, server: string, options: AdminOptions, command: Command) => {
        const { disable } = await import("./admin.ts");
        return disable(contextOf(command), service, server, options);
      }),
    );
  onServer("weight", "another weight than the file's, until that one changes")
    .argument("<weight>", '0 to 65535, or "configured"')
    .option(...REASON)
    .action(
      runs(async (service: string, server: string, weight: string, options: AdminOptions, command: Command) => {
        const admin = await import("./admin.ts");
        return admin.weight(contextOf(command), service, server, weight, options);
      }),
    );
  const intent = program.command("intent").description("everything that was commanded, as one document");
  intent
    .command("export")
    .description("write it to a file, or standard output")
    .argument("[file]")
    .action(
      runs(async (file: string | undefined, _: unknown, command: Command) => {
        const { exportIntent } = await import("./intent.ts");
        return exportIntent(contextOf(command), file);
      }),
    );
  intent
    .command("import")
    .description("replace it, if nothing was commanded since the export")
    .argument("[file]", "- or nothing: standard input")
    .option("--force", "replace it whatever was commanded since")
    .action(
      runs(async (file: string | undefined, options: { readonly force?: boolean }, command: Command) => {
        const { importIntent } = await import("./intent.ts");
        return importIntent(contextOf(command), file, options);
      }),
    );
}

function drainCommands(program: Command, runs: Runs): void {
  const list = (text: string, before: readonly string[] = []) => [
    ...before,
    ...text.split(",").filter((part) => part !== ""),
  ];
  const drain = program
    .command("drain")
    .description("move weight from old servers to new ones, step by step")
    .argument("[service]")
    .option("--service <name>", "the service, if it is called like one of the commands below")
    .option("--from <server,...>", "who gives its weight", list)
    .option("--to <server,...>", "who takes it; without: the rest of the pool, by its own weights", list)
    .option("--over <duration>", "how long the whole shift takes: 10m")
    .option("--every <duration>", "from step to step: 30s")
    .option("--min-capacity <share>", "refuse and pause below this share of the healthy weight (default: 50%)")
    .option("--allow-empty", "the last server of the pool may go")
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
  // Wherever they stand, commander gives the options that both know to `drain`.
  const own = (command: Command, ...known: readonly (keyof DrainOptions)[]): DrainOptions => {
    const given: DrainOptions = drain.opts();
    const strange = drain.options.find((option) => {
      const key = option.attributeName() as keyof DrainOptions;
      return given[key] !== undefined && !known.includes(key);
    });
    if (strange) command.error(`error: option '${strange.long}' has no meaning for drain ${command.name()}`);
    return given;
  };
  drain
    .command("list")
    .description("all drains that are kept")
    .action(
      runs(async (_: unknown, command: Command) => {
        own(command);
        const { drainList } = await import("./drain.ts");
        return drainList(contextOf(command));
      }),
    );
  drain
    .command("status")
    .description("one drain, or all that are under way")
    .argument("[id|service]")
    .option("--wait", "watch it until it ends, with the exit codes of drain")
    .action(
      runs(async (name: string | undefined, options: { readonly wait?: boolean }, command: Command) => {
        own(command);
        const { drainStatus } = await import("./drain.ts");
        return drainStatus(contextOf(command), name, options);
      }),
    );
  const words: readonly (readonly [DrainWord, string])[] = [
    ["pause", "hold it where it is"],
    ["resume", "go on with a paused one"],
    ["rollback", "the weights of before, at once; also after its end"],
    ["abort", "end it where it is: shares stand"],
  ];
  for (const [word, description] of words)
    drain
      .command(word)
      .description(description)
      .argument("[id|service]", "may be left out if only one is under way")
      .option(...REASON)
      .action(
        runs(async (name: string | undefined, _: unknown, command: Command) => {
          const { reason } = own(command, "reason");
          const { drainOrder } = await import("./drain.ts");
          return drainOrder(contextOf(command), word, name, reason);
        }),
      );
}

function configCommands(program: Command, runs: Runs): void {
  program
    .command("reload")
    .description("read the configuration anew; a bad one changes nothing")
    .option("-c, --config <file>", "whose control.socket to use")
    .option("--force", "even if it removes more than reload.max_removed")
    .addOption(new Option("--wait [duration]", "until every new check has passed somewhere").preset(true))
    .action(
      runs(async (_: unknown, command: Command) => {
        const { reload } = await import("./reload.ts");
        return reload(command.optsWithGlobals<ReloadOptions>());
      }),
    );
  const config = program.command("config").description("look at configuration files; needs no daemon and no privilege");
  config
    .command("test")
    .description("every problem of a file, one a line")
    .argument("[file]", "- is standard input (default: /etc/director/director.conf)")
    .option("--base <folder>", "where includes are looked for, if not beside the file")
    .action(
      runs(async (file: string | undefined, _: unknown, command: Command) => {
        const { configTest } = await import("./config.ts");
        return configTest(processOutput(), file, command.optsWithGlobals<ConfigOptions>());
      }),
    );
  config
    .command("show")
    .description("the file with what it includes")
    .argument("[file]", "- is standard input (default: /etc/director/director.conf)")
    .option("--base <folder>", "where includes are looked for, if not beside the file")
    .option("--effective", "as one file with everything filled in")
    .action(
      runs(async (file: string | undefined, _: unknown, command: Command) => {
        const { configShow } = await import("./config.ts");
        return configShow(processOutput(), file, command.optsWithGlobals<ConfigOptions>());
      }),
    );
  config
    .command("schema")
    .description("JSON Schema of the file, for editors")
    .action(
      runs(async () => {
        const { configSchema } = await import("./config.ts");
        return configSchema(processOutput());
      }),
    );
}
