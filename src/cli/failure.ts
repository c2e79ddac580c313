import { Refused, Unreachable } from "../control/client.ts";
import { EXIT, Failed, UsageError } from "./context.ts";
import type { Output } from "./output.ts";
import { unreachableWords } from "./unreachable.ts";

/** Says what went wrong on stderr; returns the exit code. */
export function failure(error: unknown, out: Output): number {
  if (error instanceof Unreachable) {
    out.warn(...unreachableWords(error));
    return EXIT.unreachable;
  }
  if (error instanceof UsageError) {
    out.warn(`director: ${error.message}`);
    return EXIT.usage;
  }
  if (error instanceof Refused) {
    const points = error.problems.filter((problem) => !error.message.endsWith(problem));
    out.warn(`director: ${error.message}`, ...points.map((problem) => `  ${problem}`));
    return EXIT.failed;
  }
  // A file that cannot be written, for example: the system's words name it. Anything unforeseen is to be found by its stack.
  const known = error instanceof Failed || (error instanceof Error && "syscall" in error);
  out.warn(`director: ${known ? error.message : `internal error: ${error instanceof Error ? error.stack : error}`}`);
  return EXIT.failed;
}
