import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDirector, type Director } from "../../director/director.ts";
import { createEventLog, type EventLog } from "../../director/events.ts";
import { type MemoryTable, memoryTable } from "../../kernel/memory.ts";
import { destinationKey, type RealServer, type Service, serviceKey } from "../../model/service.ts";
import type { Millis } from "../../model/time.ts";
import { probeTypes } from "../../probe/registry.ts";
import { bootId } from "../../runtime/boot.ts";
import type { Clock } from "../../runtime/clock.ts";
import { fileStore } from "../../state/store.ts";
import { loadConfigText } from "../config-file.ts";
import { type LiveServer, liveServer } from "./live-server.ts";
import { startTraffic, type Traffic } from "./traffic.ts";

/** Between two requests of the client. */
export const REQUEST_EVERY_MS: Millis = 20;

export type Role = "old" | "new" | "other";
export const ROLES: readonly Role[] = ["old", "other", "new"];

/** Everything the story is played with; all of it real but the table. */
export interface Stage {
  readonly director: Director;
  readonly events: EventLog;
  readonly service: Service;
  readonly table: MemoryTable;
  readonly traffic: Traffic;
  readonly live: Readonly<Record<Role, LiveServer>>;
  server(role: Role): RealServer;
  /** What the table has; undefined: no entry. */
  weight(role: Role): Promise<number | undefined>;
}

/** Whatever is started here ends, and whatever is made goes, with `cleanup`. */
export async function setStage(clock: Clock, cleanup: AsyncDisposableStack): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), "director-demo-"));
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }));
  const live = {
    old: await liveServer("old", clock),
    new: await liveServer("new", clock),
    other: await liveServer("other", clock),
  };
  cleanup.defer(async () => {
    for (const each of Object.values(live)) await each.stop();
  });
  const { config, problems } = loadConfigText(configOf(live, directory), "demo.conf", directory);
  const service = config?.services[0];
  if (!config || !service)
    throw new Error(`the demo's own configuration: ${problems.map((p) => p.message).join("; ")}`);
  const table = memoryTable();
  const events = createEventLog(() => clock.now().epoch);
  const director = createDirector({
    clock,
    kernel: table,
    store: fileStore(config.state.directory),
    probeTypes,
    config,
    events,
    bootId: bootId(),
    heartbeat: Number.POSITIVE_INFINITY,
    sysctl: () => undefined,
    newId: () => "d-demo",
    onPass: () => {},
  });
  await director.load();
  cleanup.defer(() => director.stop());
  await director.start();
  const key = serviceKey(service.frontends[0]!);
  const traffic = startTraffic(clock, table, key, REQUEST_EVERY_MS);
  cleanup.defer(() => traffic.stop());
  const server = (role: Role) => service.servers.find((s) => s.name === role)!;
  return {
    director,
    events,
    service,
    table,
    traffic,
    live,
    server,
    async weight(role) {
      const { address, port } = server(role);
      const entry = (await table.read(new AbortController().signal)).get(key);
      return entry?.destinations.get(destinationKey(address, port!))?.weight;
    },
  };
}

/** Short times, so that the story is short; otherwise a file as anybody would write it. */
function configOf(live: Stage["live"], directory: string): string {
  const line = (role: Role, weight: number) =>
    `      - { name: ${role}, address: "127.0.0.1:${live[role].port}", weight: ${weight} }`;
  return `ipvs: { backend: memory }
state: { directory: ${directory} }
services:
  - name: web
    vip: 192.0.2.10:80
    check: { type: http, path: /healthz, interval: 500ms, timeout: 400ms, fast_interval: 100ms, down_interval: 300ms }
    servers:
${line("old", 100)}
${line("other", 100)}
${line("new", 0)}
`;
}
