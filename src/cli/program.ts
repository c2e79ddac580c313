import { type Argument, Command, CommanderError, Option } from "commander";
import { systemClock } from "../runtime/clock.ts";
import type { AdminOptions } from "./admin.ts";
import type { CheckOptions } from "./check.ts";
import { type CommandLine, REASON } from "./command-line.ts";
import type { ConfigOptions } from "./config.ts";
import { createContext, type GlobalOptions, type Surroundings } from "./context.ts";
import type { DoctorOptions } from "./doctor.ts";
import type { EventsOptions } from "./events.ts";
import { failure } from "./failure.ts";
import type { FlushOptions } from "./flush.ts";
import type { FreezeOptions } from "./freeze.ts";
import { type Output, processOutput } from "./output.ts";
import type { PlanOptions } from "./plan.ts";
import { completionCommands } from "./program-completion.ts";
import { drainCommands } from "./program-drains.ts";
import { importCommands } from "./program-import.ts";
import type { ReloadOptions } from "./reload.ts";
import type { StatusOptions } from "./status.ts";
import { VERSION } from "./version.ts";

/** What monitoring plugins say of whatever keeps them from an answer, wrong usage too; 2 would be CRITICAL. */
const UNKNOWN = 3;

/** The command line; returns the exit code. */
export async function runCommandLine(
  argv: readonly string[],
  surroundings: Surroundings = { out: processOutput(), env: process.env },
): Promise<number> {
  let exit = 0;
  const program = commandProgram(surroundings, (code) => {
    exit = code;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 || error.exitCode === UNKNOWN ? error.exitCode : 2;
    return failure(error, surroundings.out);
  }
}

/** All that can be called, with its words; the manual page is made of it. Each command is loaded when it is called: `status` needs neither the
 *  parser of the file nor the probes.
 *  @param ended gets the exit code of the command that was parsed */
export function commandProgram(surroundings: Surroundings, ended: (exit: number) => void): Command {
  const { out } = surroundings;
  const line: CommandLine = {
    program: described(out),
    surroundings,
    runs:
      (action) =>
      async (...args) => {
        out.endWithoutReader();
        ended(await action(...args));
      },
    contextOf: (command) => createContext(surroundings, command.optsWithGlobals<GlobalOptions>()),
  };
  daemonCommand(line, ended);
  seeing(line);
  serverCommands(line);
  drainCommands(line);
  configCommands(line);
  importCommands(line);
  completionCommands(line);
  return line.program;
}

function described(out: Output): Command {
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
    .configureOutput({
      writeOut: (text) => out.write(text),
      // Whole lines, always.
      writeErr: (text) => out.warn(text.replace(/\n$/, "")),
      outputError: (text, write) => write(text.replace(/^error: /, "director: ")),
    })
    .helpOption("-h, --help", "print this")
    .exitOverride()
    .showHelpAfterError("(--help shows what there is)")
    .addHelpText(
      "after",
      `
Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 69 daemon not reachable, 78 bad configuration.
A drain that was waited for: 0 no connection left, 3 grace over with some left, 4 undone, 5 paused.
undrain: 0 healthy and at full weight, 1 refused, or not there in time.`,
    );
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

function bracketed(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function daemonCommand({ program }: CommandLine, ended: (code: number) => void): void {
  program
    .command("run")
    .description("the daemon")
    .requiredOption("-c, --config <file>", "the configuration, /etc/director/director.conf for example")
    .action(async ({ config }: { readonly config: string }) => {
      const { runDaemon } = await import("./run.ts");
      ended(await runDaemon({ configFile: config }));
    });
}

function seeing({ program, surroundings, runs, contextOf }: CommandLine): void {
  program
    .command("demo")
    .description("a failure, a recovery and a drain, live, in 25 seconds; needs no root and no daemon")
    .action(
      runs(async () => {
        const { demo } = await import("./demo.ts");
        return demo(surroundings.out, systemClock);
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
    .command("check")
    .description("monitoring plugin (Nagios, Icinga): one line and numbers; 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN")
    .argument("[service...]", "only these")
    .option("--warning-capacity <share>", "healthy part of a service's weight", "70%")
    .option("--critical-capacity <share>", "likewise", "50%")
    .option("--timeout <seconds>", "for the daemon's answer", "10")
    .exitOverride((error) => {
      throw new CommanderError(error.exitCode === 0 ? 0 : UNKNOWN, error.code, error.message);
    })
    .action(
      runs(async (services: readonly string[], options: CheckOptions, command: Command) => {
        const { check } = await import("./check.ts");
        return check(contextOf(command), services, options);
      }),
    );
  program
    .command("top")
    .description("the same as it moves, with new connections a second; sorted and filtered by keys")
    .argument("[service...]", "only these")
    .action(
      runs(async (services: readonly string[], _: unknown, command: Command) => {
        const { top } = await import("./top.ts");
        return top(contextOf(command), services, surroundings.env);
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
    .option("--service <name,...>", "only of these services", list)
    .option("--kind <kind,...>", "only these: server, weight, drain.paused, ...", list)
    .option("--since <when>", "10m, 2h, or a time: 2026-11-20 06:00")
    .option("--after <seq>", "only what came after this sequence number")
    .action(
      runs(async (options: EventsOptions, command: Command) => {
        const { events } = await import("./events.ts");
        return events(contextOf(command), options);
      }),
    );
}

function list(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(",").filter((part) => part !== "")];
}

function serverCommands({ program, surroundings, runs, contextOf }: CommandLine): void {
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
  program
    .command("freeze")
    .description("write nothing for a while, of a service or of all; probing goes on")
    .argument("[service]")
    .option("--for <duration>", "how long: 30m, 2h; 7 days at most")
    .option(...REASON)
    .action(
      runs(async (service: string | undefined, options: FreezeOptions, command: Command) => {
        const { freeze } = await import("./freeze.ts");
        return freeze(contextOf(command), service, options);
      }),
    );
  program
    .command("thaw")
    .description("end a freeze, of a service or all of them: what was decided meanwhile is written")
    .argument("[service]")
    .option(...REASON)
    .action(
      runs(async (service: string | undefined, options: FreezeOptions, command: Command) => {
        const { thaw } = await import("./freeze.ts");
        return thaw(contextOf(command), service, options);
      }),
    );
  program
    .command("flush")
    .description("delete our services from the kernel, while no director runs; needs root")
    .option("-c, --config <file>", "whose state.directory and ipvs.command to use")
    .option("--dry-run", "show what would be deleted")
    .action(
      runs(async (_: unknown, command: Command) => {
        const { flush } = await import("./flush.ts");
        return flush(surroundings, command.optsWithGlobals<FlushOptions>());
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

function configCommands({ program, surroundings, runs }: CommandLine): void {
  const { out } = surroundings;
  program
    .command("reload")
    .description("read the configuration anew; a bad one changes nothing")
    .option("-c, --config <file>", "whose control.socket to use")
    .option("--force", "even if it removes more than reload.max_removed")
    .addOption(new Option("--wait [duration]", "until every new check has passed somewhere").preset(true))
    .action(
      runs(async (_: unknown, command: Command) => {
        const { reload } = await import("./reload.ts");
        return reload(surroundings, command.optsWithGlobals<ReloadOptions>());
      }),
    );
  program
    .command("plan")
    .description("what a reload would change, line by line; nothing is touched")
    .argument("[file]", "another file than the daemon's own")
    .option("-c, --config <file>", "the same")
    .option("--offline", "without a daemon: what a start would change in the kernel's table; needs root")
    .option("--exit-code", "0 nothing to change, 3 changes, 1 the reload would be refused")
    .action(
      runs(async (file: string | undefined, _: unknown, command: Command) => {
        const { plan } = await import("./plan.ts");
        return plan(surroundings, file, command.optsWithGlobals<PlanOptions>());
      }),
    );
  program
    .command("doctor")
    .description(
      "what would keep this configuration from working here, with the commands that mend it; needs no daemon",
    )
    .option("-c, --config <file>", "the configuration (default: /etc/director/director.conf)")
    .option("--apply", "run these commands and show each; needs root")
    .action(
      runs(async (_: unknown, command: Command) => {
        const { doctor } = await import("./doctor.ts");
        return doctor(out, command.optsWithGlobals<DoctorOptions>());
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
        return configTest(out, file, command.optsWithGlobals<ConfigOptions>());
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
        return configShow(out, file, command.optsWithGlobals<ConfigOptions>());
      }),
    );
  config
    .command("init")
    .description("write a file to begin with; one that is there stays as it is")
    .argument("[file]", "- is standard output (default: /etc/director/director.conf)")
    .action(
      runs(async (file: string | undefined) => {
        const { configInit } = await import("./config-init.ts");
        return configInit(out, file);
      }),
    );
  config
    .command("schema")
    .description("JSON Schema of the file, for editors")
    .action(
      runs(async () => {
        const { configSchema } = await import("./config.ts");
        return configSchema(out);
      }),
    );
}
