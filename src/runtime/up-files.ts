import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Files that say 1 or 0 for each service, for scripts of VRRP and BGP daemons. There only while we live: no file, no answer. */
export interface UpFiles {
  write(services: ReadonlyMap<string, boolean>): void;
  remove(): void;
}

/** @param directory is made, and emptied of what an earlier life left. */
export function upFiles(directory: string, onError: (problem: string) => void): UpFiles {
  let written = new Map<string, boolean>();
  let prepared = false;

  function prepare(): void {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    for (const name of readdirSync(directory)) rmSync(join(directory, name), { force: true });
    prepared = true;
  }

  return {
    write(services) {
      try {
        if (!prepared) prepare();
        for (const [name, up] of services)
          if (written.get(name) !== up) writeFileSync(join(directory, name), up ? "1\n" : "0\n", { mode: 0o644 });
        for (const name of written.keys()) if (!services.has(name)) rmSync(join(directory, name), { force: true });
        written = new Map(services);
      } catch (error) {
        onError(`${directory}: ${error instanceof Error ? error.message : error}`);
      }
    },
    remove() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
