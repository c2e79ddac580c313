import { existsSync, mkdirSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** What a machine is made of. Paths are the host's. */
export interface LabHost {
  /** The kernel: an ordinary program of Debian's package user-mode-linux. */
  readonly kernel: string;
  /** Its modules, in a folder named by its release. */
  readonly modules: string;
  /** The program behind insmod, for the one module that is needed before the guest has its root. */
  readonly kmod: string;
  /** Root of packages that are unpacked rather than installed (bin/setup-lab.cjs does that without root); the guest sees them as installed. */
  readonly packages: string | undefined;
}

/** Looks for the pieces among the installed packages, and before those in DIRECTOR_LAB_PACKAGES. */
export function findHost(): LabHost | { readonly missing: string } {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return {
      missing: `User-Mode Linux is packaged for Linux on x64 only; this is ${process.platform} on ${process.arch}`,
    };
  }
  const packages = process.env.DIRECTOR_LAB_PACKAGES || undefined;
  const roots = packages === undefined ? ["/"] : [packages, "/"];
  const find = (...places: readonly string[]) =>
    roots.flatMap((root) => places.map((place) => join(root, place))).find((path) => existsSync(path));
  const kernel = find("usr/bin/linux.uml");
  const allModules = find("usr/lib/uml/modules");
  const release = allModules === undefined ? undefined : readdirSync(allModules)[0];
  const kmod = find("usr/bin/kmod", "bin/kmod");
  const ipvsadm = find("usr/sbin/ipvsadm", "sbin/ipvsadm");
  const missing = Object.entries({ "user-mode-linux": kernel && release, kmod, ipvsadm }).flatMap(([name, path]) =>
    path ? [] : name,
  );
  if (
    kernel === undefined ||
    allModules === undefined ||
    release === undefined ||
    kmod === undefined ||
    missing.length > 0
  ) {
    const names = missing.join(" ");
    return { missing: `the lab needs ${names}: \`npm test\` brings them, or by hand: apt-get install ${names}` };
  }
  return { kernel, modules: join(allModules, release), kmod, packages };
}

/** Where guests keep what Node has compiled, for each other and the next run: it halves the start of a program there. Undefined where this
 *  user has no place for it. */
export function compileCache(): string | undefined {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "director-lab", "compiled");
  try {
    mkdirSync(folder, { recursive: true });
    return folder;
  } catch {
    return undefined;
  }
}

/** A folder for the file that is the guest's memory: /dev/shm unless it is too small (containers: 64 MB) or must not hold programs. */
export function memoryFolder(neededMb: number): string {
  const shm = "/dev/shm";
  if (!existsSync(shm)) return tmpdir();
  const { bavail, bsize } = statfsSync(shm);
  const mount = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .find((line) => line.split(" ")[1] === shm);
  const mayExecute = !mount?.split(" ")[3]?.split(",").includes("noexec");
  return mayExecute && bavail * bsize >= neededMb * 1024 * 1024 ? shm : tmpdir();
}
