import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a machine is made of. */
export interface LabHost {
  /** The kernel: an ordinary program of Debian's package user-mode-linux. */
  readonly kernel: string;
  /** Its modules as the guest will see them: the folder named by the kernel's release. */
  readonly modules: string;
  /** Root of packages that are unpacked rather than installed (bin/setup.cjs does that without root); the guest sees them as installed. */
  readonly packages: string | undefined;
}

/** Where bin/setup.cjs unpacks what is not installed; named by DIRECTOR_LAB_PACKAGES. */
export function findHost(): LabHost | { readonly missing: string } {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return {
      missing: `User-Mode Linux is packaged for Linux on x64 only; this is ${process.platform} on ${process.arch}`,
    };
  }
  const packages = process.env.DIRECTOR_LAB_PACKAGES || undefined;
  const root = packages ?? "/";
  const kernel = join(root, "usr/bin/linux.uml");
  const modules = join(root, "usr/lib/uml/modules");
  const release = existsSync(modules) ? readdirSync(modules)[0] : undefined;
  if (!executable(kernel) || release === undefined) {
    return { missing: `no ${kernel} with modules; \`npm test\` brings it, by hand: apt-get install user-mode-linux` };
  }
  for (const tool of ["ipvsadm", "modprobe"]) {
    const places = [packages, "/"].flatMap((r) =>
      r === undefined ? [] : ["usr/sbin", "sbin"].map((d) => join(r, d, tool)),
    );
    if (!places.some(executable))
      return { missing: `no ${tool}; \`npm test\` brings it, by hand: apt-get install ipvsadm kmod` };
  }
  return { kernel, modules: `/usr/lib/uml/modules/${release}`, packages };
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

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
