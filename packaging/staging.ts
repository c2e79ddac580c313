import { chmodSync, lutimesSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** The checkout. */
export const checkout = join(import.meta.dirname, "..");

/** A tree of files on its way into a package. Whoever builds it, with whatever umask and when: the same bytes, modes and times. */
export interface Staging {
  readonly root: string;
  /** `path` below the root; `mode` is 0644 unless given. Folders come by themselves. */
  put(path: string, content: string | Uint8Array, mode?: number): void;
  /** Where to put a file that somebody else writes; its folder is there. */
  place(path: string): string;
  /** Sets the modes and times of everything. After this nothing may be put. */
  seal(): void;
  /** Paths of all files, below the root and sorted by their bytes. */
  files(): readonly string[];
}

/** @param epochSec every file's time of change, in seconds since 1970. */
export function stagingIn(root: string, epochSec: number): Staging {
  const place = (path: string): string => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    return file;
  };
  return {
    root,
    place,
    put(path, content, mode = 0o644) {
      const file = place(path);
      writeFileSync(file, content);
      chmodSync(file, mode);
    },
    seal() {
      for (const path of [...walk(root), root]) {
        const stat = statSync(path);
        chmodSync(path, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
        lutimesSync(path, epochSec, epochSec);
      }
    },
    files: () =>
      walk(root)
        .filter((path) => statSync(path).isFile())
        .map((path) => relative(root, path))
        .sort(),
  };
}

/** Everything below a folder, what is in a folder before the folder itself. */
export function walk(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [...walk(path), path] : [path];
  });
}
