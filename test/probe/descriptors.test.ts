import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Prober } from "../../src/model/probe.ts";
import { probeTypes } from "../../src/probe/registry.ts";
import { certificate } from "../support/certificates.ts";
import { line, open, probe, target } from "../support/drive.ts";
import { reply, tcpServer, tlsServer, udpServer } from "../support/nasty-server.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** The child's part: probes before, while and after it has no descriptor left, and prints what came of it. */
async function starve(ports: Readonly<Record<string, number>>): Promise<void> {
  const options: Readonly<Record<string, Record<string, unknown>>> = {
    https: { verify: "false" },
    udp: { send: "ping", expect: "ping" },
  };
  const probers = Object.entries(ports).map(
    ([name, port]) => [name, open(probeTypes.get(name)!, target(port), options[name])] as const,
  );
  const round = async (list: readonly (readonly [string, Prober])[]): Promise<string[]> => {
    const lines = [];
    for (const [name, prober] of list) lines.push(`${name} ${line(await probe(prober, 2000))}`);
    return lines;
  };
  const before = await round(probers.filter(([name]) => name !== "udp"));
  // What was just closed has to be gone first.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const used: number[] = [];
  try {
    for (;;) used.push(openSync("/dev/null", "r"));
  } catch {}
  const starved = [...(await round(probers)), ...(await round(probers))];
  for (const descriptor of used) closeSync(descriptor);
  const afterwards = await round(probers);
  for (const [, prober] of probers) prober.close();
  process.stdout.write(JSON.stringify({ before, starved, afterwards }));
}

if (process.argv[2] === "starve") await starve(JSON.parse(process.argv[3]!));
else
  test("with our own descriptors used up every probe is inconclusive, and passes again when there are some", async () => {
    await using plain = await tcpServer(reply(OK));
    await using tls = await tlsServer(certificate({ subject: "x" }), reply(OK));
    await using udp = await udpServer((datagram, from, server) => server.send(datagram, from.port, from.address));
    const ports = { tcp: plain.port, http: plain.port, https: tls.port, udp: udp.port };
    const { stdout } = await promisify(execFile)("/bin/sh", [
      "-c",
      'ulimit -n 60 && exec "$@"',
      "sh",
      process.execPath,
      import.meta.filename,
      "starve",
      JSON.stringify(ports),
    ]);
    const out = (name: string) =>
      `${name} inconclusive: director is out of file descriptors (EMFILE), raise LimitNOFILE`;
    const web = ["tcp pass: connected", "http pass: status 200", "https pass: status 200"];
    const starved = ["tcp", "http", "https", "udp"].map(out);
    assert.deepEqual(JSON.parse(stdout), {
      before: web,
      starved: [...starved, ...starved],
      afterwards: [...web, "udp pass: expected reply"],
    });
  });
