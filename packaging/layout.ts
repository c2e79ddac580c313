import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { copyrightFile } from "./copyright.ts";
import { putLibraries } from "./libraries.ts";
import { putStripped, type Runtime } from "./node.ts";
import { putProgram } from "./program.ts";
import { checkout, type Staging } from "./staging.ts";

/** Everything below it belongs to the package; nothing there changes while it is installed. */
export const HOME = "usr/lib/director";
export const CONFIG = "etc/director/director.conf";
export const DOC = "usr/share/doc/director";

/** Puts what every kind of package installs, where it is installed. */
export function putLayout(staging: Staging, runtime: Runtime, version: string): void {
  const file = (path: string) => readFileSync(join(checkout, path));
  putStripped(staging, `${HOME}/node`, runtime);
  putProgram(staging, HOME, version);
  putLibraries(staging, HOME);
  staging.put("usr/bin/director", file("packaging/director"), 0o755);
  staging.put("usr/lib/systemd/system/director.service", file("systemd/director.service"));
  staging.put("usr/lib/sysusers.d/director.conf", file("systemd/director.sysusers"));
  staging.put("usr/lib/sysctl.d/50-director.conf", file("systemd/director.sysctl"));
  staging.put("usr/lib/modules-load.d/director.conf", file("packaging/modules-load.conf"));
  staging.put(CONFIG, file("packaging/director.conf"));
  staging.put(`${DOC}/copyright`, copyrightFile(runtime));
  staging.put(`${DOC}/examples/director.conf`, file("config/director.conf"));
  putContributions(staging);
  putManual(staging);
  putCompletions(staging);
}

/** Scripts for the daemons beside director go where they can be run from; what is read into other programs stands with the examples. */
function putContributions(staging: Staging): void {
  const from = join(checkout, "contrib");
  const home = `${HOME}/contrib`;
  for (const script of ["director-up", "bird/director-bird"])
    staging.put(`${home}/${script}`, readFileSync(join(from, script)), 0o755);
  const unit = readFileSync(join(from, "bird/director-bird@.service"), "utf8");
  staging.put(`${home}/bird/director-bird@.service`, unit.replaceAll("/opt/director/contrib", `/${home}`));
  for (const example of ["grafana/director.json", "prometheus/alerts.yml"])
    staging.put(`${DOC}/examples/${example}`, readFileSync(join(from, example)));
}

function putManual(staging: Staging): void {
  for (const page of globSync(join(checkout, "man/*.[1-8]")).sort()) {
    staging.put(`usr/share/man/man${page.at(-1)}/${basename(page)}.gz`, compressed(readFileSync(page)));
  }
}

/** As `gzip -9n` has it: no name, no time. */
export function compressed(content: string | Uint8Array): Uint8Array {
  return gzipSync(content, { level: 9 });
}

const COMPLETIONS: Readonly<Record<string, string>> = {
  bash: "usr/share/bash-completion/completions/director",
  zsh: "usr/share/zsh/vendor-completions/_director",
  fish: "usr/share/fish/vendor_completions.d/director.fish",
};

/** What `director completion SHELL` prints, for those shells that it knows. */
function putCompletions(staging: Staging): void {
  for (const [shell, path] of Object.entries(COMPLETIONS)) {
    const argv = ["--disable-warning=ExperimentalWarning", join(checkout, "src/main.ts"), "completion", shell];
    const { status, stdout } = spawnSync(process.execPath, argv, { encoding: "utf8" });
    if (status === 0) staging.put(path, stdout);
    else console.error(`director: no completion for ${shell}: the program has none`);
  }
}

/** The time that everything in a package bears, in seconds since 1970: SOURCE_DATE_EPOCH, else that of the checkout's last commit, else that of
 *  the top entry of the changelog. */
export function sourceDate(): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  if (existsSync(join(checkout, ".git"))) {
    return Number(execFileSync("git", ["-C", checkout, "log", "-1", "--format=%ct"], { encoding: "utf8" }));
  }
  const [, date = ""] = /^ -- .*> {2}(.*)$/m.exec(changelog()) ?? [];
  return Date.parse(date) / 1000;
}

export function changelog(): string {
  return readFileSync(join(checkout, "packaging/debian/changelog"), "utf8");
}
