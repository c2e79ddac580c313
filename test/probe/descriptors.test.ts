import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Prober } from "../../src/model/probe.ts";
import { probeTypes } from "../../src/probe/registry.ts";
import { certificate } from "../support/certificates.ts";
import { dnsReply, overUdp } from "../support/dns-server.ts";
import { line, open, probe, target } from "../support/drive.ts";
import { grpcServer, status } from "../support/grpc-server.ts";
import { reply, tcpServer, tlsServer, udpServer } from "../support/nasty-server.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Who keep their sockets would not notice that there are no more. */
const KEPT = ["udp", "dns"];

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
  const before = await round(probers.filter(([name]) => !KEPT.includes(name)));
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
    await using dns = await udpServer(overUdp(dnsReply()));
    await using smtp = await tcpServer((socket) => {
      socket.write("220 mail\r\n");
      socket.on("data", (chunk: Buffer) =>
        socket.write(chunk.toString().startsWith("QUIT") ? "221 x\r\n" : "250 x\r\n"),
      );
    });
    await using grpc = await grpcServer(status(1));
    const ports = {
      tcp: plain.port,
      http: plain.port,
      https: tls.port,
      smtp: smtp.port,
      grpc: grpc.port,
      udp: udp.port,
      dns: dns.port,
    };
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
    const fresh = [
      "tcp pass: connected",
      "http pass: status 200",
      "https pass: status 200",
      "smtp pass: 250 to EHLO",
      "grpc pass: SERVING",
    ];
    const starved = Object.keys(ports).map(out);
    assert.deepEqual(JSON.parse(stdout), {
      before: fresh,
      starved: [...starved, ...starved],
      afterwards: [...fresh, "udp pass: expected reply", "dns pass: NOERROR"],
    });
  });
