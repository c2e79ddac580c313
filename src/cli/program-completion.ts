import { Argument } from "commander";
import type { CommandLine } from "./command-line.ts";
import { ASK, completionScript, SHELLS, type Shell } from "./completion/scripts.ts";

/** `director completion bash`, and what its script asks. */
export function completionCommands({ program, surroundings, runs }: CommandLine): void {
  const { out } = surroundings;
  program
    .command("completion")
    .description("what makes a shell complete commands, options, services, servers and drains")
    .addArgument(new Argument("<shell>", "which one").choices(SHELLS))
    .addHelpText(
      "after",
      "\nIn ~/.bashrc: source <(director completion bash); in ~/.zshrc likewise; the output says more.",
    )
    .action(
      runs(async (shell: Shell) => {
        out.write(completionScript(shell));
        return 0;
      }),
    );
  program
    .command(ASK, { hidden: true })
    .argument("[words...]")
    .action(
      runs(async (words: readonly string[]) => {
        const { complete } = await import("./completion.ts");
        return complete(program, words, surroundings);
      }),
    );
}
