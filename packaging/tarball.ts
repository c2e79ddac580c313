// npm run tarball: the same files as in the .deb, with a script that installs them on any distribution with systemd.
//   npm run tarball -- [--version V] [--arch x64|arm64] [--out FOLDER]
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { HOME } from "./layout.ts";
import { build, orderFrom } from "./order.ts";
import { checkout } from "./staging.ts";

/** The names of all that is installed, for install.sh. */
const FILES = `${HOME}/files`;

/** Builds it; where it is. */
export function buildTarball(args: readonly string[]): string {
  const order = orderFrom(args, { level: "6" });
  const name = `director-${order.version}-linux-${order.architecture}`;
  return build(order, `${name}.tar.gz`, (staging, _, to) => {
    staging.put(FILES, `${[...staging.files(), FILES].sort().join("\n")}\n`);
    staging.put("install.sh", readFileSync(join(checkout, "packaging/install.sh")), 0o755);
    staging.seal();
    const top = join(staging.root, "..", name);
    renameSync(staging.root, top);
    const tar = ["--create", "--sort=name", "--format=gnu", "--owner=0", "--group=0", "--numeric-owner"];
    execFileSync(
      "tar",
      [...tar, `--use-compress-program=gzip -n -${order.more.level}`, "--file", to, "-C", join(top, ".."), name],
      {
        stdio: ["ignore", "inherit", "inherit"],
      },
    );
  });
}

if (import.meta.main) console.log(buildTarball(process.argv.slice(2)));
