import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Files that say 1 or 0 for each service, for scripts of VRRP and BGP daemons. There only while we live: no file, no answer. */
export interface UpFiles {
  write(services: ReadonlyMap<string, boolean>): void;
  remove(): void;
}

/** @param directory is made, and emptied of what an earlier life left. It and the files are everyone's to read, whatever our umask. */
export function upFiles(directory: string, onError: (problem: string) => void): UpFiles {
  let written = new Map<string, boolean>();
  let prepared = false;

  function prepare(): void {
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o755);
    for (const name of readdirSync(directory)) rmSync(join(directory, name), { force: true });
    prepared = true;
  }

  /** Whole at any moment: a reader must not meet an empty file and take that for a no. Names of services do not begin with a dot. */
  function put(name: string, up: boolean): void {
    const next = join(directory, `.${name}`);
    writeFileSync(next, up ? "1\n" : "0\n");
    chmodSync(next, 0o644);
    renameSync(next, join(directory, name));
  }

  return {
    write(services) {
      try {
        if (!prepared) prepare();
        for (const [name, up] of services) if (written.get(name) !== up) put(name, up);
        for (const name of written.keys()) if (!services.has(name)) rmSync(join(directory, name), { force: true });
        written = new Map(services);
      } catch (error) {
        onError(`${directory}: ${error instanceof Error ? error.message : error}`);
      }
    },
    /** The directory stays: keepalived (2.2) watches it for its track_file, and once it is gone does not notice that it came back. */
    remove() {
      try {
        for (const name of readdirSync(directory)) rmSync(join(directory, name), { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") onError(`${directory}: ${error}`);
      }
      written = new Map();
    },
  };
}
