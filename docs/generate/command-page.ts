import type { Argument, Command, Option } from "commander";
import { commandProgram } from "../../src/cli/program.ts";
import { VERSION } from "../../src/cli/version.ts";
import { bold, heading, italic, listing, page, paragraph, plain, prose, subheading, tagged, terms } from "./roff.ts";

/** The whole command line, as the program itself builds it. */
export function theProgram(): Command {
  const nothing = () => {};
  const out = {
    tty: false,
    columns: () => undefined,
    rows: () => undefined,
    paint: (_: unknown, text: string) => text,
    print: nothing,
    write: nothing,
    warn: nothing,
    endWithoutReader: nothing,
  };
  return commandProgram({ out, env: {} }, nothing);
}

/** director(1): every command with its arguments and options, and what is common to them. */
export function commandPage(): string {
  const program = theProgram();
  return page("director", 1, VERSION, [
    ...heading("NAME"),
    "director \\- health\\-checking director for Linux IPVS",
    ...heading("SYNOPSIS"),
    `${bold("director")} [${bold("--socket")} ${italic("path")}] [${bold("--json")}] ${italic("command")} [${italic("argument")} ...]`,
    ...heading("DESCRIPTION"),
    ...paragraph(
      "`director run` is a daemon that probes real servers, gives a failing one weight 0 in the kernel's IPVS table and its weight back when it recovers, and moves traffic from old servers to new ones step by step. All other commands look at that daemon, or command it, over its unix socket, unless said otherwise.",
      "The configuration is described in director.conf(5).",
    ),
    ...heading("OPTIONS"),
    ...paragraph("Every command has these:"),
    ...options(program.options.filter(({ long }) => long !== "--version")),
    ...options([{ flags: "-h, --help", description: "print what there is" }]),
    ...paragraph("`director --version` prints the version."),
    ...heading("COMMANDS"),
    ...leaves(program).flatMap(section),
    ...common(),
  ]);
}

interface Leaf {
  readonly command: Command;
  /** `drain abort`. */
  readonly path: string;
  /** Of the command that only holds this one and others: what they are about. */
  readonly about: string | undefined;
}

/** What can be called, commands before those below them; a command that only holds others is none. */
export function leaves(command: Command, path = "", about?: string): readonly Leaf[] {
  const visible = command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== "help");
  return visible.flatMap((child) => {
    const here = `${path}${child.name()}`;
    const isGroup = child.commands.length > 0 && child.registeredArguments.length === 0 && child.options.length === 0;
    const below = leaves(child, `${here} `, isGroup ? child.description() : undefined);
    return isGroup ? below : [{ command: child, path: here, about }, ...below];
  });
}

function section({ command, path, about }: Leaf): readonly string[] {
  const args = command.registeredArguments;
  // What commander makes of it unasked says nothing that is not below.
  const own = command.usage().startsWith("[options]") ? command.usage().replace(/^\[options\] ?/, "") : command.usage();
  const usage = own.includes("|") ? own : args.map(argumentWord).join(" ");
  const described = args.filter(({ description }) => description !== "");
  return [
    ...subheading(`director ${path}${usage === "" ? "" : ` ${usage}`}`),
    prose(
      sentence(about === undefined ? command.description() : `${about.replace(/;.*/, "")}: ${command.description()}`),
    ),
    ...described.flatMap((argument) =>
      tagged(italic(argumentWord(argument)), [prose(sentence(`${argument.description}${choicesOf(argument)}`))]),
    ),
    ...options(command.options),
  ];
}

function choicesOf({ argChoices }: { readonly argChoices?: readonly string[] | undefined }): string {
  return argChoices === undefined ? "" : `: ${argChoices.join(", ")}`;
}

function argumentWord(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function options(list: readonly (Pick<Option, "flags" | "description"> & Partial<Option>)[]): readonly string[] {
  return list.flatMap(({ flags, description, argChoices, defaultValue }) => {
    const choices = choicesOf({ argChoices });
    const [what, fallback = ""] = description.split(" (default");
    const byDefault = defaultValue === undefined ? "" : ` (default: ${defaultValue})`;
    return tagged(flagWords(flags), [
      prose(sentence(`${what}${choices}${fallback && ` (default${fallback}`}${byDefault}`)),
    ]);
  });
}

/** `-c, --config <file>`: letters bold, values slanted. */
function flagWords(text: string): string {
  return text
    .split(/(<[^>]*>|\[[^\]]*\])/)
    .map((part, i) =>
      i % 2 === 1
        ? italic(part)
        : part.replace(/--?[\w-]+|[^-]+/g, (word) => (word.startsWith("-") ? bold(word) : plain(word))),
    )
    .join("");
}

function common(): readonly string[] {
  return [
    ...heading("EXIT STATUS"),
    ...terms([
      ["0", "Done."],
      ["1", "Failed, or refused; standard error says why."],
      ["2", "Wrong usage."],
      ["69", "No daemon answers at the socket."],
      ["78", "Bad configuration; nothing was changed."],
    ]),
    ...paragraph("A drain that is waited for (`drain`, `drain watch`) ends with:"),
    ...terms([
      ["0", "No connection is left."],
      ["3", "Its grace is over with connections left."],
      ["4", "It was rolled back, aborted, or has failed."],
      ["5", "It is paused."],
    ]),
    ...paragraph(
      "`undrain`: 0 healthy and at full weight, 1 refused or not there in time. `import`: 0 exact, 1 written with losses, 65 refused. `plan --exit-code`: 0 nothing to change, 3 changes, 1 the reload would be refused. `check`: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, as monitoring plugins have it.",
    ),
    ...heading("ENVIRONMENT"),
    ...terms([
      ["DIRECTOR_SOCKET", "The daemon's socket, where `--socket` is not given. Default: `/run/director/control.sock`."],
      ["SUDO_USER", "Who is recorded as having given a command; else the user's own name."],
      ["NO_COLOR", "If set, nothing is colored."],
      [
        "NOTIFY_SOCKET, WATCHDOG_USEC, JOURNAL_STREAM",
        "Set by systemd for `director run`: readiness, watchdog, and lines for the journal.",
      ],
    ]),
    ...heading("SIGNALS"),
    ...paragraph("The daemon, `director run`:"),
    ...terms([
      ["SIGHUP", "Reads the configuration anew, as `director reload` does; a bad one changes nothing."],
      ["SIGTERM, SIGINT", "Ends, and leaves the kernel's table as it is. A second one ends at once."],
    ]),
    ...heading("FILES"),
    ...terms([
      ["/etc/director/director.conf", "The configuration, see director.conf(5)."],
      ["/run/director/control.sock", "The control socket: HTTP with JSON below /v1."],
      ["/run/director/up/SERVICE", "1 while the service is up, 0 while it is not; there while the daemon lives."],
      ["/var/lib/director", "What was commanded, and the last events. It survives restarts and reboots."],
      ["/proc/net/ip_vs", "The kernel's table, as `ipvsadm -Ln` shows it."],
    ]),
    ...heading("EXAMPLES"),
    ...paragraph("What is wrong, and why a server has the weight it has:"),
    ...listing("director status\ndirector explain web old"),
    ...paragraph("Replace old by new over ten minutes, and wait for old's last connection:"),
    ...listing("director drain web --from old --to new --over 10m --every 30s"),
    ...paragraph("Take a whole machine out of every service before its reboot, and bring it back:"),
    ...listing('director drain --host app2 --now --reason "kernel update"\ndirector undrain --host app2'),
    ...paragraph("See what a changed file would do, then put it into force:"),
    ...listing("director plan && systemctl reload director"),
    ...paragraph("Ask the daemon without this program:"),
    ...listing("curl --unix-socket /run/director/control.sock http://director/v1/status"),
    ...heading("SEE ALSO"),
    `${bold("director.conf")}(5), ${bold("ipvsadm")}(8), ${bold("systemctl")}(1)`,
  ];
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  // A value or a file that begins it stays as it is written.
  return `${/^[a-z]+[ ,]/.test(text) ? first : text}${/[.!?]$/.test(text) ? "" : "."}`;
}
