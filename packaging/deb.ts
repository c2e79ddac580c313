// npm run deb: a .deb of this checkout in dist/, by dpkg-deb alone.
//   npm run deb -- [--version V] [--arch x64|arm64] [--out FOLDER] [--compress xz|zstd|gzip|none] [--level 0-9]
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { CONFIG, changelog, compressed, DOC } from "./layout.ts";
import { type Architecture, type Runtime, sharedLibraries } from "./node.ts";
import { build, type Order, orderFrom } from "./order.ts";
import { checkout, type Staging } from "./staging.ts";

const DEBIAN: Readonly<Record<Architecture, string>> = { x64: "amd64", arm64: "arm64" };

/** Builds it; where it is. xz at level 2 is what dpkg-deb needs least time for at nearly the smallest size. */
export function buildDeb(args: readonly string[]): string {
  const order = orderFrom(args, { compress: "xz", level: "2" });
  const { version, architecture, more } = order;
  return build(order, `director_${version}_${DEBIAN[architecture]}.deb`, (staging, runtime, to) => {
    putDebian(staging, order, runtime);
    staging.seal();
    const level = more.compress === "none" ? [] : [`-z${more.level}`];
    execFileSync("dpkg-deb", ["--root-owner-group", `-Z${more.compress}`, ...level, "--build", staging.root, to], {
      // The number of processors must not show in the bytes.
      env: { ...process.env, SOURCE_DATE_EPOCH: String(order.epochSec), DPKG_DEB_THREADS_MAX: "2" },
      stdio: ["ignore", "ignore", "inherit"],
    });
  });
}

function putDebian(staging: Staging, order: Order, runtime: Runtime): void {
  const file = (name: string) => readFileSync(join(checkout, "packaging/debian", name));
  staging.put(`${DOC}/changelog.gz`, compressed(changelogOf(order.version)));
  staging.put("usr/share/lintian/overrides/director", file("lintian-overrides"));
  const installed = staging.files();
  const sums = installed
    .filter((path) => path !== CONFIG)
    .map(
      (path) =>
        `${createHash("md5")
          .update(readFileSync(join(staging.root, path)))
          .digest("hex")}  ${path}\n`,
    );
  const sizeKb = installed.reduce((sum, path) => sum + Math.ceil(statSync(join(staging.root, path)).size / 1024), 0);
  staging.put("DEBIAN/control", control(order, runtime, sizeKb));
  staging.put("DEBIAN/md5sums", sums.join(""));
  staging.put("DEBIAN/conffiles", `/${CONFIG}\n`);
  for (const script of ["preinst", "postinst", "prerm", "postrm"]) staging.put(`DEBIAN/${script}`, file(script), 0o755);
}

/** The packaged changelog, with an entry of its own for a version that has none. */
function changelogOf(version: string): string {
  const text = changelog();
  if (text.startsWith(`director (${version})`)) return text;
  const [, signature = ""] = /^( -- .*)$/m.exec(text) ?? [];
  return `director (${version}) unstable; urgency=medium\n\n  * Built from the sources of what follows.\n\n${signature}\n\n${text}`;
}

function control({ version, architecture }: Order, runtime: Runtime, sizeKb: number): string {
  // iproute2 for `vips: { device }`; kmod for modprobe@ip_vs.service.
  const depends = [...sharedLibraries(runtime), "ipvsadm", "iproute2", "kmod", "systemd (>= 252)"];
  return `Package: director
Version: ${version}
Architecture: ${DEBIAN[architecture]}
Maintainer: ${maintainer(process.env)}
Installed-Size: ${sizeKb}
Depends: ${depends.join(", ")}
Section: net
Priority: optional
Description: health-checking director for Linux IPVS
 director keeps the virtual services of the kernel's layer 4 load balancer. It
 probes real servers over TCP, HTTP(S), UDP, DNS, SMTP and gRPC, gives a failing
 one weight 0 and its weight back when it recovers, and moves traffic from old
 servers to new ones step by step, gated by their health and by the connections
 that are still open.
 .
 It comes with the Node.js it was tested with (${runtime.version}), for its own use.
`;
}

/** Who passes the package on: DEBFULLNAME and DEBEMAIL, as for Debian's own tools; else whom the changelog names, at an address that cannot exist
 *  (RFC 2606). @throws Error for what is no name with an address. */
export function maintainer(env: Readonly<Record<string, string | undefined>>): string {
  const [, name = "", address = ""] = /^ -- (.*) <(.*)> {2}/m.exec(changelog()) ?? [];
  const who = `${env.DEBFULLNAME ?? name} <${env.DEBEMAIL ?? address}>`;
  if (!/^[^<>@\n]+ <[^\s<>@]+@[^\s<>@]+>$/.test(who)) throw new Error(`DEBFULLNAME, DEBEMAIL: nobody is called ${who}`);
  return who;
}

if (import.meta.main) console.log(buildDeb(process.argv.slice(2)));
