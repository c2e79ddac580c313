// keepalived with its file and director with the import of it, side by side: each in a network namespace of its own, so with a table of its own, on the same
// servers.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Director,
  directorProgram,
  inNamespace,
  type Keepalived,
  must,
  run,
  shell,
  startDirector,
  startKeepalived,
  step,
  sysctl,
} from "../inside.ts";
import { soonMs } from "../main-job/soon.ts";
import { MOMENTS, type Piece } from "./pieces.ts";
import type { Order } from "./pool-servers.ts";

/** keepalived's namespace. It reaches the servers through the director's, which only forwards its packets. */
export const TWIN = "twin";

/** The version whose pools the pieces have, Debian 12's. What another one does otherwise is told, and no failure of ours. */
const MEASURED = "2.2.7";

export interface Beside {
  readonly keepalived: Keepalived;
  readonly director: Director;
}

/** Starts everything, and takes both through all moments: after each their tables have to be what is known of the pieces, and line for line the same
 *  but for the differences.
 *  @param more stands above the pieces: `global_defs` and the like */
export async function besideKeepalived(pieces: readonly Piece[], more: string): Promise<Beside> {
  const config = [more, ...pieces.map(({ text }) => text)].join("\n");
  const [a, b, imported] = await Promise.all([
    startServer("rs1"),
    startServer("rs2"),
    importOf(config, pieces),
    makeTwin(),
  ]);
  const become = async (letter: "a" | "b", well: boolean): Promise<void> => {
    const file = `/run/lab/dead-${letter}`;
    if (well) rmSync(file, { force: true });
    else writeFileSync(file, "");
    writeFileSync(`/run/lab/file-${letter}`, well ? "1\n" : "0\n");
    await sysctl({ "net.ipv4.icmp_echo_ignore_all": well ? 0 : 1 }, letter === "a" ? "rs1" : "rs2");
    await { a, b }[letter]({ well });
  };
  for (const letter of ["a", "b"] as const) writeFileSync(`/run/lab/file-${letter}`, "1\n");

  const keepalived = startKeepalived({ config, args: ["-C", "-i", "lab1"], namespace: TWIN });
  // One after the other: the kernel lists services by their place in one table for all namespaces, and leaves some out of a long listing while others
  // are added there. Beside them /proc/net/ip_vs is not even complete when nothing moves, so this is how that is tried, too.
  await keepalived.ready(60_000);
  const director = startDirector({ config: `log: { level: info, format: json }\n${imported}` });
  await director.ready(60_000);

  const events: readonly (() => Promise<void>)[] = [
    async () => {},
    // The first word is for both: what waits for it has begun.
    async () => void (await Promise.all([become("a", false), become("b", true)])),
    () => become("b", false),
    () => become("a", true),
    () => become("b", true),
  ];
  const judged = new Map(pieces.map((piece) => [piece.name, piece]));
  const isMeasured = keepalived.said().includes(`Keepalived v${MEASURED} `);
  for (const [i, moment] of MOMENTS.entries())
    step(`${moment}: both tables`, async (t) => {
      await events[i]!();
      await agree(judged, i, (text) => t.diagnostic(text), isMeasured).catch(async (error) => {
        const { stdout } = await director.cli("status");
        const log = director.log.slice(-40).map((line) => JSON.stringify(line));
        console.error(
          ["director status", stdout, "its log", ...log, "keepalived", keepalived.said().slice(-6_000)].join("\n"),
        );
        throw error;
      });
      for (const namespace of isMeasured ? [TWIN, undefined] : [undefined])
        assert.deepEqual(strangers(pieces, await rules(namespace)), []);
    });
  return { keepalived, director };
}

/** The import of the file, as `director import` writes it. */
async function importOf(config: string, pieces: readonly Piece[]): Promise<string> {
  const folder = "/run/lab/original";
  mkdirSync(folder);
  for (const [file, text] of pieces.flatMap(({ includes = {} }) => Object.entries(includes))) writeFileSync(file, text);
  writeFileSync(join(folder, "keepalived.conf"), config);
  const [from, to] = ["keepalived.conf", "director.conf"].map((name) => join(folder, name));
  const { code, stderr } = await run([
    directorProgram,
    "import",
    "keepalived",
    from!,
    "--config-id",
    "lab1",
    "-o",
    to!,
  ]);
  // 1: written, with losses; which, test/import/beside-keepalived.test.ts looks at.
  assert.ok(code <= 1, stderr);
  return readFileSync(to!, "utf8");
}

/** A server in its namespace; the function says whether it is well. */
async function startServer(namespace: string): Promise<(order: Order) => Promise<void>> {
  // Otherwise only one datagram in a second is told that nobody listens.
  await sysctl({ "net.ipv4.icmp_ratelimit": 0 }, namespace);
  const program = join(dirname(import.meta.filename), "pool-servers.ts");
  const [command, ...args] = inNamespace(namespace, [process.execPath, program]);
  const child = spawn(command!, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const [first] = await Promise.race([once(child, "message"), once(child, "exit")]);
  assert.equal(first, "ready");
  child.unref();
  child.channel?.unref();
  return async (order) => {
    const done = once(child, "message");
    child.channel?.ref();
    child.send(order);
    await done;
    child.channel?.unref();
  };
}

async function makeTwin(): Promise<void> {
  // 10.6.0.1 is the source that checks are told to use. It is on both sides; behind the twin's translation answers find their way back.
  // What is run as a hook writes down its word, beside the number of the namespace it ran in.
  await shell(`
    ip netns add ${TWIN}
    ip link add v${TWIN} type veth peer name lab0 netns ${TWIN}
    ip -batch - <<'END'
addr add 10.7.0.1/24 dev v${TWIN}
addr add fd00:7::1/64 dev v${TWIN} nodad
link set v${TWIN} up
link add sync0 type dummy
link set sync0 multicast on up
addr add 10.6.0.1/32 dev lo
END
    ip -n ${TWIN} -batch - <<'END'
link set lo up
link set lab0 up
addr add 10.7.0.2/24 dev lab0
addr add fd00:7::2/64 dev lab0 nodad
route add default via 10.7.0.1
route add default via fd00:7::1
link add sync0 type dummy
link set sync0 multicast on up
addr add 10.6.0.1/32 dev lo
addr add 10.100.0.12/32 dev lo
END
    nsenter --net=/run/netns/${TWIN} iptables -t nat -A POSTROUTING -s 10.6.0.1 -o lab0 -j SNAT --to-source 10.7.0.2
    printf '#!/bin/sh\\n[ ! -e /run/lab/dead-$1 ] || exit 1\\nexit 22\\n' >/run/lab/weight
    printf '#!/bin/bash\\necho "$1" >>/run/lab/ran-$(readlink /proc/self/ns/net | tr -dc 0-9)\\n' >/run/lab/ran
    chmod 755 /run/lab/weight /run/lab/ran
  `);
}

/** How long both have to agree. What is not to happen is given this time to happen; with all else that was waited for it is more than a round. */
const STEADY_MS = 1_500;

async function agree(
  judged: Map<string, Piece>,
  moment: number,
  tell: (text: string) => void,
  isMeasured: boolean,
): Promise<void> {
  const giveUpAt = performance.now() + 30_000 + 20 * (await soonMs());
  let since: number | undefined;
  for (;;) {
    const wrong = disagreements([...judged.values()], moment, await rules(TWIN), await rules(undefined));
    const now = performance.now();
    if (wrong.length > 0) since = undefined;
    else since ??= now;
    if (since !== undefined && now - since >= STEADY_MS) return;
    if (now > giveUpAt) {
      const others = isMeasured ? [] : wrong.filter(({ who }) => who === "keepalived");
      if (others.length === 0)
        assert.deepEqual(
          wrong.map(({ text }) => text),
          [],
        );
      for (const { name, text } of others) {
        tell(`not judged any more, this is another keepalived than was measured: ${text}`);
        judged.delete(name);
      }
    }
    await sleep(1_000);
  }
}

/** `ipvsadm -Sn` of a namespace. */
async function rules(namespace: string | undefined): Promise<readonly string[]> {
  const text = await must(inNamespace(namespace, ["/usr/sbin/ipvsadm", "-Sn"]));
  return text.split("\n").map((line) => line.trim());
}

interface Disagreement {
  /** Who has something else than is known. */
  readonly who: "keepalived" | "director";
  /** Of the piece. */
  readonly name: string;
  readonly text: string;
}

function disagreements(
  pieces: readonly Piece[],
  moment: number,
  keepalived: readonly string[],
  director: readonly string[],
): readonly Disagreement[] {
  const wrong: Disagreement[] = [];
  for (const { name, services, pools, differs } of pieces)
    for (const service of services) {
      const [its, ours] = [linesOf(keepalived, service), linesOf(director, service)];
      const say = (who: Disagreement["who"], what: string) =>
        wrong.push({ who, name, text: `${name} (${service}): ${who} has ${what}` });
      const wanted = differs === undefined ? pools[moment] : differs.pools?.[moment];
      if (poolOf(its) !== pools[moment]) say("keepalived", `${poolOf(its)}, expected ${pools[moment]}`);
      if (poolOf(ours) !== wanted) say("director", `${poolOf(ours)}, expected ${wanted}`);
      else if (wanted === pools[moment] && ours.join("\n") !== its.join("\n"))
        say("director", `\n${ours.join("\n")}\nkeepalived has\n${its.join("\n")}`);
    }
  return wrong;
}

/** A service that no piece knows of. */
function strangers(pieces: readonly Piece[], lines: readonly string[]): readonly string[] {
  const known = new Set(pieces.flatMap(({ services }) => services));
  const found = lines.flatMap((line) => /^-A (-f \d+(?: -6)?|\S+ \S+)/.exec(line)?.[1] ?? []);
  return found.filter((service) => !known.has(service));
}

function linesOf(all: readonly string[], service: string): readonly string[] {
  return all.filter((line) => line.slice(3) === service || line.slice(3).startsWith(`${service} `)).sort();
}

const LETTERS: Readonly<Record<string, string>> = {
  "10.9.1.2": "a",
  "fd00:9:1::2": "a",
  "10.9.2.2": "b",
  "fd00:9:2::2": "b",
  "10.9.3.2": "s",
};

/** `a3 b1`; undefined where there is no such service. */
function poolOf(lines: readonly string[]): string | undefined {
  if (lines.length === 0) return undefined;
  const servers = lines.flatMap((line) => {
    const [, address, weight] = / -r \[?(\S+?)\]?:\d+ .*-w (\d+)/.exec(line) ?? [];
    return address === undefined ? [] : `${LETTERS[address] ?? address}${weight}`;
  });
  return servers.sort().join(" ");
}
