import type { Command } from "commander";
import type { CommandLine } from "./command-line.ts";
import type { ImportOptions } from "./import.ts";

/** `director import keepalived FILE` and `director import ldirectord FILE`. */
export function importCommands({ program, surroundings, runs }: CommandLine): void {
  const imports = program
    .command("import")
    .description("make director.conf of another program's file; needs no daemon and no privilege")
    .addHelpText(
      "after",
      "\nExit codes: 0 exact, 1 written with losses, each named with its line, 65 refused: nothing is written.",
    );
  const from = (name: "keepalived" | "ldirectord", description: string) =>
    imports
      .command(name)
      .description(description)
      .argument("<file>", "- is standard input")
      .option("-o, --output <file>", "write there instead of standard output; not over a file that is there")
      .option("--force", "over a file that is there, too")
      .option("--recommended", "director's own on_failure, initial and rise instead of the original's")
      .option("--observe", "the file begins in observe mode, to be tried beside the original program")
      .action(
        runs(async (file: string, _: unknown, command: Command) => {
          const { importFile } = await import("./import.ts");
          return importFile(surroundings.out, name, file, command.optsWithGlobals<ImportOptions>());
        }),
      );
  from("keepalived", "of keepalived.conf").option(
    "--config-id <id>",
    "what @id conditions compare with, as keepalived -i",
  );
  from("ldirectord", "of ldirectord.cf");
}
