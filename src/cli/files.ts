import { isUtf8 } from "node:buffer";
import { readFileSync, statSync } from "node:fs";
import { err, ok, type Result } from "../model/result.ts";

/** The text of a file, or why there is none. `any` takes a pipe as well: `config test <(render)`; a pipe that matches a wildcard would be waited for without end. 0 is standard input. */
export function readText(file: string | 0, kind: "any" | "regular" = "any"): Result<string, string> {
  try {
    if (kind === "regular" && file !== 0) {
      const stat = statSync(file);
      if (stat.isDirectory()) return err("is a folder, not a file");
      if (!stat.isFile()) return err("is no regular file");
    }
    const bytes = readFileSync(file);
    return isUtf8(bytes) ? ok(bytes.toString("utf8")) : err("is no UTF-8 text");
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
