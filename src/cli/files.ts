import { isUtf8 } from "node:buffer";
import { readFileSync, statSync } from "node:fs";
import { err, ok, type Result } from "../model/result.ts";

/** The text of a file, or why there is none. `any` takes a pipe as well: `config test <(render)`; a pipe that matches a wildcard would be waited for without end. 0 is standard input. What is no UTF-8 is refused, or read as Latin-1. */
export function readText(
  file: string | 0,
  kind: "any" | "regular" = "any",
  otherwise: "refuse" | "latin1" = "refuse",
): Result<string, string> {
  try {
    if (kind === "regular" && file !== 0) {
      const stat = statSync(file);
      if (stat.isDirectory()) return err("is a folder, not a file");
      if (!stat.isFile()) return err("is no regular file");
    }
    const bytes = readFileSync(file);
    if (isUtf8(bytes)) return ok(bytes.toString("utf8"));
    return otherwise === "latin1" ? ok(bytes.toString("latin1")) : err("is no UTF-8 text");
  } catch (error) {
    return err(trouble(error, "file"));
  }
}

/** What the system refused, in words that follow the path. */
export function trouble(error: unknown, what: "file" | "folder"): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return `cannot be read: there is no such ${what}`;
    case "EACCES":
    case "EPERM":
      return `cannot be read: permission denied for user id ${process.geteuid?.()}`;
    case "EISDIR":
      return "is a folder, not a file";
    case "ENOTDIR":
      return what === "folder" ? "is no folder" : "cannot be read: a part of its path is no folder";
    case "ELOOP":
      return "cannot be read: too many symbolic links, perhaps in a circle";
    default:
      return `cannot be read: ${message}`;
  }
}
