import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/parse.ts";
import { createDirector, type Director, type DirectorOptions } from "../../src/director/director.ts";
import { createEventLog, type DirectorEvent } from "../../src/director/events.ts";
import { ruleLine } from "../../src/ipvs/rules.ts";
import type { IpvsChange, IpvsTable } from "../../src/ipvs/table.ts";
import { type Interfaces, memoryInterfaces } from "../../src/kernel/interfaces.ts";
import { type IpvsSettings, memorySettings } from "../../src/kernel/ipvs-settings.ts";
import type { ApplyReport, KernelTable } from "../../src/kernel/kernel-table.ts";
import { type MemoryTable, memoryTable } from "../../src/kernel/memory.ts";
import type { Config } from "../../src/model/config.ts";
import { isKnownEvent } from "../../src/model/event-words.ts";
import { err } from "../../src/model/result.ts";
import type { ServiceKey } from "../../src/model/service.ts";
import type { Millis, MonotonicMs } from "../../src/model/time.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { type IntentStore, parseIntent } from "../../src/state/store.ts";
import { parseRule } from "../ipvs/parse-rule.ts";
import { type FakeClock, fakeClock } from "../support/fake-clock.ts";
import { type Scripted, scripted } from "../support/scripted-probe.ts";

export const WEB = "tcp:192.0.2.10:80" as ServiceKey;
export const OPS = { actor: "ops", reason: undefined };
const never = new AbortController().signal;

/** Where the intent is kept: as text, so that what does not survive being written does not survive here. */
export interface Disk extends IntentStore {
  /** The document as it stands there; undefined: none was ever written. */
  text: string | undefined;
  /** Writes that succeeded. */
  saves: number;
  /** Words of the error that every write meets. */
  broken: string | undefined;
  /** How long a write takes. */
  slowMs: Millis;
}

function createDisk(clock: FakeClock): Disk {
  let beat: { readonly bootId: string; readonly now: MonotonicMs } | undefined;
  const disk: Disk = {
    text: undefined,
    saves: 0,
    broken: undefined,
    slowMs: 0,
    async load() {
      if (disk.text === undefined) return { kind: "none", problem: undefined };
      const read = parseIntent(disk.text, "intent.json");
      return read.ok ? { kind: "found", intent: read.value } : { kind: "none", problem: read.error };
    },
    async save(intent) {
      if (disk.slowMs > 0) await new Promise<void>((resolve) => clock.after(disk.slowMs, resolve));
      if (disk.broken !== undefined) throw new Error(disk.broken);
      disk.saves++;
      disk.text = JSON.stringify(intent);
    },
    async beat(bootId, now) {
      if (disk.broken === undefined) beat = { bootId, now };
    },
    lastBeat: async (bootId) => (beat?.bootId === bootId ? beat.now : undefined),
  };
  return disk;
}

/** `rejects`: every call fails, writes half way. `hangs`: writes wait for as long as this is set. `refuses`: rule lines with this text are not carried
 *  out; `silently`: and nothing is said about it. */
export type Trouble =
  | { readonly kind: "rejects" }
  | { readonly kind: "hangs" }
  | { readonly kind: "refuses"; readonly text: string; readonly silently?: true };

/** The kernel's table with the ways in which ipvsadm fails, and a note of everything director wrote to it. */
export interface Kernel extends KernelTable {
  readonly memory: MemoryTable;
  trouble: Trouble | undefined;
  /** Rule lines that director wrote, in order. */
  readonly written: string[];
  /** How many runs of ipvsadm wrote them. */
  writes: number;
}

function createKernel(clock: FakeClock): Kernel {
  const memory = memoryTable(new Map(), clock);
  const refused = (change: IpvsChange): boolean =>
    kernel.trouble?.kind === "refuses" && ruleLine(change).includes(kernel.trouble.text);
  const orFail = <T>(tried: string, work: () => Promise<T>): Promise<T> =>
    kernel.trouble?.kind === "rejects" ? Promise.reject(new Error(`${tried} timed out after 10s`)) : work();

  const kernel: Kernel = {
    memory,
    trouble: undefined,
    written: [],
    writes: 0,
    read: (signal) => orFail("ipvsadm -Sn", () => memory.read(signal)),
    glance: (known, signal) => orFail("reading /proc/net/ip_vs", () => memory.glance(known, signal)),
    stats: (signal) => orFail("ipvsadm -Ln --stats", () => memory.stats(signal)),
    templates: (signal) => orFail("reading /proc/net/ip_vs_conn", () => memory.templates(signal)),
    rates: (signal) => orFail("ipvsadm -Ln --rate", () => memory.rates(signal)),
    async apply(changes, signal): Promise<ApplyReport> {
      while (kernel.trouble?.kind === "hangs") await new Promise<void>((resolve) => clock.after(100, resolve));
      if (kernel.trouble?.kind === "rejects") {
        await memory.apply(changes.slice(0, Math.floor(changes.length / 2)), signal);
        throw new Error("ipvsadm -R timed out after 10s");
      }
      kernel.writes++;
      kernel.written.push(...changes.map(ruleLine));
      const { complaints } = await memory.apply(
        changes.filter((change) => !refused(change)),
        signal,
      );
      const silently = kernel.trouble?.kind === "refuses" && kernel.trouble.silently;
      const own = changes.filter(refused).map((change) => `${ruleLine(change)}: Memory allocation problem`);
      return { complaints: [...complaints, ...(silently ? [] : own)] };
    },
  };
  return kernel;
}

/** A machine with a kernel, a disk and servers, on which directors come and go. */
export interface World {
  readonly clock: FakeClock;
  readonly servers: Scripted;
  readonly kernel: Kernel;
  readonly disk: Disk;
  /** What the machine has beside the table. */
  readonly host: { readonly settings: IpvsSettings; readonly interfaces: Interfaces };
  readonly sysctls: Map<string, number>;
  /** Changes when the machine is restarted. */
  bootId: string;
  /** A director on this machine, with the time it takes until it is ready. Whoever ran before is killed. */
  start(text: string): Promise<Daemon>;
  /** Reads a configuration. @throws what is wrong with it. */
  config(text: string): Config;
  /** Somebody at the keyboard: rule lines as ipvsadm reads them. */
  ipvsadm(...lines: readonly string[]): Promise<void>;
  /** `10.0.0.1:80 100, 10.0.0.2:80 0`: what the kernel has below a service; undefined: no such service. */
  weights(service?: string): Promise<string | undefined>;
}

export interface Daemon {
  readonly director: Director;
  readonly events: readonly DirectorEvent[];
  /** How many passes ended. */
  passes(): number;
  /** The messages of one kind of event. */
  said(kind: string): readonly string[];
  /** Lets time pass until a promise of the director's is kept. */
  wait<T>(answer: Promise<T>): Promise<T>;
  reload(text: string): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<void>;
  /** kill -9: not a word, a write or a look more of this one. */
  kill(): void;
}

export function world(): World {
  const clock = fakeClock();
  const servers = scripted(clock);
  let running: Daemon | undefined;
  let ids = 0;
  const self: World = {
    clock,
    servers,
    kernel: createKernel(clock),
    disk: createDisk(clock),
    host: { settings: memorySettings(), interfaces: memoryInterfaces() },
    sysctls: new Map(),
    bootId: "boot-1",
    async start(text) {
      running?.kill();
      const daemon = createDaemon(self, self.config(text), () => `d-${++ids}`);
      running = daemon;
      await daemon.wait(daemon.director.load().then(() => daemon.director.start()));
      return daemon;
    },
    config: (text) => readConfig(servers, text),
    async ipvsadm(...lines) {
      const { complaints } = await self.kernel.memory.apply(lines.map(parseRule), never);
      assert.deepEqual(complaints, []);
    },
    async weights(service = WEB) {
      const table: IpvsTable = await self.kernel.memory.read(never);
      const lines = [...(table.get(service as ServiceKey)?.destinations ?? [])].map(([key, d]) => `${key} ${d.weight}`);
      return table.has(service as ServiceKey) ? lines.sort().join(", ") : undefined;
    },
  };
  return self;
}

function createDaemon(
  { clock, kernel, disk, host, servers, sysctls, bootId }: World,
  config: Config,
  newId: () => string,
): Daemon {
  let passes = 0;
  const events = createEventLog(() => clock.now().epoch);
  // Hooks are chosen by these words.
  events.follow((event) => assert.ok(isKnownEvent(event), `not in src/model/event-words.ts: ${JSON.stringify(event)}`));
  const life = lifeOn(clock);
  const { living } = life;
  const options: DirectorOptions = {
    clock: life.clock,
    kernel: {
      read: (signal) => living(() => kernel.read(signal)),
      glance: (known, signal) => living(() => kernel.glance(known, signal)),
      stats: (signal) => living(() => kernel.stats(signal)),
      templates: (signal) => living(() => kernel.templates(signal)),
      rates: (signal) => living(() => kernel.rates(signal)),
      apply: (changes, signal) => living(() => kernel.apply(changes, signal)),
    },
    surroundings: {
      settings: {
        timeouts: (signal) => living(() => host.settings.timeouts(signal)),
        setTimeouts: (timeouts, signal) => living(() => host.settings.setTimeouts(timeouts, signal)),
        daemons: (signal) => living(() => host.settings.daemons(signal)),
        startDaemon: (daemon, signal) => living(() => host.settings.startDaemon(daemon, signal)),
        stopDaemon: (role, signal) => living(() => host.settings.stopDaemon(role, signal)),
      },
      interfaces: {
        read: (signal) => living(() => host.interfaces.read(signal)),
        order: (orders, signal) => living(() => host.interfaces.order(orders, signal)),
      },
    },
    store: {
      load: () => living(() => disk.load()),
      save: (intent) => living(() => disk.save(intent)),
      beat: (boot, now) => living(() => disk.beat(boot, now)),
      lastBeat: (boot) => living(() => disk.lastBeat(boot)),
    },
    probeTypes: new Map([["scripted", servers.type]]),
    config,
    events,
    bootId,
    heartbeat: 15_000,
    sysctl: (name) => sysctls.get(name),
    newId,
    onPass: () => {
      passes++;
    },
  };
  const director = createDirector(options);

  async function wait<T>(answer: Promise<T>): Promise<T> {
    let open = true;
    const settled = answer.finally(() => {
      open = false;
    });
    settled.catch(() => {});
    for (let waited = 0; open; waited += 10) {
      assert.ok(waited <= 60_000, "no answer within a minute");
      await clock.advance(10);
    }
    return settled;
  }

  return {
    director,
    get events() {
      return events.after(0);
    },
    passes: () => passes,
    said: (kind) =>
      events
        .after(0)
        .filter((event) => event.kind === kind)
        .map((event) => event.message),
    wait,
    reload: (text) => wait(director.reload(readConfig(servers, text))),
    stop: () => wait(director.stop()),
    kill: life.end,
  };
}

/** What a process has of the world until it is killed: timers fire no more, calls never come back. */
function lifeOn(clock: FakeClock): {
  readonly clock: Clock;
  living<T>(work: () => Promise<T>): Promise<T>;
  end(): void;
} {
  let alive = true;
  const timers = new Set<() => void>();
  return {
    clock: {
      now: clock.now,
      after(ms, callback) {
        if (!alive) return () => {};
        const cancel = clock.after(ms, () => {
          timers.delete(cancel);
          callback();
        });
        timers.add(cancel);
        return () => {
          timers.delete(cancel);
          cancel();
        };
      },
    },
    living(work) {
      const never = new Promise<never>(() => {});
      if (!alive) return never;
      return work().then(
        (value) => (alive ? value : never),
        (error) => (alive ? Promise.reject(error) : never),
      );
    },
    end() {
      alive = false;
      for (const cancel of timers) cancel();
      timers.clear();
    },
  };
}

function readConfig(servers: Scripted, text: string): Config {
  const { config, problems } = parseConfig(
    { file: "director.conf", text },
    { probeTypes: new Map([["scripted", servers.type]]), readInclude: () => err("no includes here") },
  );
  if (!config) throw new Error(problems.map((p) => `${p.line}: ${p.path.join(".")}: ${p.message}`).join("\n"));
  return config;
}

/** A service `web` at 192.0.2.10:80 with these servers, `a 10.0.0.1:80 100` each; `service` and `top` are further lines. */
export function webConf(
  servers: readonly string[],
  given: { readonly service?: readonly string[]; readonly top?: readonly string[]; readonly check?: string } = {},
): string {
  const list = servers.map((line) => {
    const [name, address, weight = "100"] = line.split(" ");
    return `      - { name: ${name}, address: "${address}", weight: ${weight} }`;
  });
  return [
    ...(given.top ?? []),
    "services:",
    "  - name: web",
    "    vip: 192.0.2.10:80",
    `    check: { type: scripted${given.check === undefined ? "" : `, ${given.check}`} }`,
    ...(given.service ?? []).map((line) => `    ${line}`),
    "    servers:",
    ...list,
  ].join("\n");
}
