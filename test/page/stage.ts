import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cli, type Ran, type Spawned, start } from "../cli/support.ts";

const program = join(import.meta.dirname, "daemon.ts");

/** A machine that can be switched off and on, at an address of its own. */
export interface Machine {
  readonly address: string;
  on(): Promise<void>;
  off(): Promise<void>;
}

export interface Stage {
  readonly url: string;
  readonly machine: (name: string) => Machine;
  readonly conf: string;
  cli(...args: readonly string[]): Promise<Ran>;
  write(conf: string): void;
  /** Clients that come to kernel entries (`tcp:192.0.2.10:80`), so many a second, and stay so long on average. */
  clients(wanted: Readonly<Record<string, { readonly rate: number; readonly staysMs: number }>>): void;
  run(): Promise<void>;
  /** As kill -9. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

/** A daemon with its table in memory, real servers and a page.
 *  @param machines names and addresses of loopback, all with the same port; those that begin with `!` are off
 *  @param services YAML below `services:`; `PORT` stands for the servers' port */
export async function stage(
  machines: Readonly<Record<string, string>>,
  services: string,
  check = "{ type: http, path: /healthz, interval: 500ms, timeout: 400ms, fast_interval: 100ms, down_interval: 200ms }",
): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), "director-page-"));
  const [port, door] = [await freePort(), await freePort()];
  const built = new Map(Object.entries(machines).map(([name, address]) => [name, machine(address, port)]));
  for (const each of built.values()) await each.on();
  const conf = join(dir, "director.conf");
  const socket = join(dir, "control.sock");
  const text = (below: string) => `ipvs: { backend: memory }
state: { directory: ${dir}/state }
control: { socket: ${socket} }
http: { listen: ["127.0.0.1:${door}"] }
defaults: { check: ${check} }
services:
${below.replaceAll("PORT", String(port))}
`;
  const write = (below: string) => writeFileSync(conf, text(below));
  write(services);
  let daemon: Spawned | undefined;
  return {
    url: `http://127.0.0.1:${door}/`,
    machine: (name) => built.get(name)!,
    conf,
    cli: (...args) => cli(["--socket", socket, ...args]),
    write,
    clients: (wanted) => void daemon?.child.stdin?.write(`${JSON.stringify(wanted)}\n`),
    async run() {
      daemon = start([conf], { program });
      await daemon.seen(/ready: \d+ services?/);
    },
    async kill() {
      daemon?.child.kill("SIGKILL");
      await daemon?.ended;
      daemon = undefined;
    },
    async close() {
      daemon?.child.kill("SIGKILL");
      await daemon?.ended;
      for (const each of built.values()) await each.off();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function machine(address: string, port: number): Machine {
  let server: Server | undefined;
  return {
    address,
    async on() {
      server = createServer((_, response) => response.end("ok\n"));
      server.listen(port, address);
      await once(server, "listening");
    },
    async off() {
      if (!server?.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
