import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { formatProblem } from "../config/parse.ts";
import { removalRefusals } from "../config/reload.ts";
import { doorHandler, readyRoutes } from "../control/door.ts";
import { statusOf } from "../control/drain-routes.ts";
import { apiHandler, type HandlerContext } from "../control/handlers.ts";
import { type Listening, listenTcp, listenUnix } from "../control/server.ts";
import type { ReloadReply, StatusReply } from "../control/shapes.ts";
import { additionsFor } from "../director/added.ts";
import { createDirector } from "../director/director.ts";
import { createFolding } from "../director/event-folding.ts";
import { createEventLog, type DirectorEvent, KEPT_EVENTS } from "../director/events.ts";
import { onDemand } from "../director/on-demand.ts";
import { problemsOf } from "../director/problems.ts";
import { remindHourly } from "../director/reminder.ts";
import { freezeStatus, isServiceUp, type StatusInput, serviceStatus, tableStatus } from "../director/status.ts";
import { createHooks } from "../hooks/hooks.ts";
import { scriptEnvironment } from "../hooks/script.ts";
import type { Rates } from "../ipvs/table.ts";
import { ipInterfaces, memoryInterfaces } from "../kernel/interfaces.ts";
import { ipvsadmSettings, memorySettings } from "../kernel/ipvs-settings.ts";
import { type IpvsadmOptions, ipvsadmTable } from "../kernel/ipvsadm.ts";
import type { KernelTable } from "../kernel/kernel-table.ts";
import { memoryTable } from "../kernel/memory.ts";
import type { Config } from "../model/config.ts";
import { err, ok, type Result } from "../model/result.ts";
import type { EpochMs } from "../model/time.ts";
import { chosenFormat, createLog, logEvent } from "../observe/log.ts";
import { inForce } from "../policy/freeze.ts";
import type { AddedServer } from "../policy/intent.ts";
import { probeTypes } from "../probe/registry.ts";
import { secureContext } from "../probe/tls-trust.ts";
import { bootId, sysctl } from "../runtime/boot.ts";
import { systemClock } from "../runtime/clock.ts";
import { isJournal } from "../runtime/journal.ts";
import { createNotifier, type Notifier } from "../runtime/notify.ts";
import { withoutCapabilities } from "../runtime/unprivileged.ts";
import { upFiles } from "../runtime/up-files.ts";
import { eventFile } from "../state/event-file.ts";
import { fileStore } from "../state/store.ts";
import { loadFilesAside } from "./config-aside.ts";
import type { LoadedFiles } from "./config-file.ts";
import { counted } from "./counted.ts";
import { createTallies } from "./metrics.ts";
import { statusPage } from "./page.ts";
import { planner } from "./planning.ts";
import { probeListener } from "./probe-listener.ts";
import { VERSION } from "./version.ts";

const EX_CONFIG = 78;

/** The kernel's estimator moves every 2 seconds. Who looks at the status while ipvsadm hangs wants to see just that, and soon. */
const RATES = { everyMs: 1_900, patienceMs: 500, oldestMs: 10_000 };

type ReloadRefusal = { readonly kind: "invalid" | "removes"; readonly problems: readonly string[] };

export interface DaemonOptions {
  readonly configFile: string;
  /** What `backend: memory` stands for. Tests bring one in which clients connect. */
  readonly memory?: () => KernelTable;
}

/** The daemon, from the file to the last signal. Returns the exit code: 78 for a bad configuration, 1 when it could not start. */
export async function runDaemon({ configFile, memory = memoryTable }: DaemonOptions): Promise<number> {
  const file = resolve(configFile);
  const files = await loadFilesAside(file);
  const first = files.parsed;
  const prefixes = isJournal(2, process.env) ? { error: "<3>", warning: "<4>" } : { error: "", warning: "" };
  for (const problem of first.problems)
    process.stderr.write(`${prefixes[problem.severity]}${formatProblem(problem)}\n`);
  if (!first.config) return EX_CONFIG;
  // A journal that is restarted closes our output for a moment: no reason to end.
  process.title = "director";
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  return serve(file, files, first.config, memory);
}

async function serve(file: string, first: LoadedFiles, initial: Config, memory: () => KernelTable): Promise<number> {
  const output = { isJournal: isJournal(1, process.env), isTerminal: process.stdout.isTTY };
  const format = chosenFormat(initial.log.format, output);
  const log = createLog(initial.log.level, format, (line) => void process.stdout.write(line));
  const history = eventFile<DirectorEvent>(join(initial.state.directory, "events.ndjson"), (problem) =>
    log.warn(problem),
  );
  const folding = createFolding(systemClock);
  const events = createEventLog(() => Date.now() as EpochMs, await history.load(KEPT_EVENTS), folding.fold);
  events.follow(history.append);
  events.follow((event) => logEvent(log, event));
  const hooks = createHooks({
    clock: systemClock,
    hostname: hostname(),
    unprivileged: withoutCapabilities,
    environment: scriptEnvironment(process.env),
    trust: (wanted) => secureContext({ ...wanted, certificate: undefined, key: undefined }),
    // No event: a hook for everything would be told of its own failures, and fail.
    log: (severity, message, fields) => log[severity === "warning" ? "warn" : severity](fields, message),
  });
  hooks.use(initial.hooks);
  events.each(hooks.offer);
  const notifier = createNotifier(process.env, (problem) => log.warn(problem));
  const startedAt = Date.now();
  let loadedAt = startedAt;
  let lastReload: StatusReply["config"]["lastReload"];
  let ready = false;
  let files = first;
  let reloading: Promise<unknown> = Promise.resolve();
  const up = upFiles(join(dirname(initial.control.socket), "up"), (problem) => log.warn(problem));

  const inMemory = initial.ipvs.backend === "memory";
  const ipvsadm: IpvsadmOptions = {
    command: initial.ipvs.command,
    timeoutMs: initial.ipvs.timeout,
    // For measuring where the kernel has no IPVS (bench/).
    ...(process.env.DIRECTOR_PROC_IP_VS === undefined ? {} : { procFile: process.env.DIRECTOR_PROC_IP_VS }),
    onUnreadable: (lines) => {
      if (lines.length > 0) log.warn(`ipvsadm lists what director cannot read, and leaves alone: ${lines.join("; ")}`);
    },
    onCommand: (result, tookMs) => tallies?.onCommand(result, tookMs),
  };
  const table = inMemory ? memory() : ipvsadmTable(ipvsadm);
  // Counting costs little, and nothing where nobody can ask for the numbers.
  const tallies = initial.http && createTallies(systemClock, () => director.config(), table);
  if (tallies) events.each(tallies.onEvent);
  const onProbe = probeListener(log, tallies);

  const director = createDirector({
    clock: systemClock,
    kernel: inMemory ? table : awake(table, notifier.during),
    surroundings: inMemory
      ? { settings: memorySettings(), interfaces: memoryInterfaces() }
      : { settings: ipvsadmSettings(ipvsadm), interfaces: ipInterfaces({ timeoutMs: initial.ipvs.timeout }) },
    store: fileStore(initial.state.directory),
    probeTypes,
    config: initial,
    events,
    bootId: bootId(),
    heartbeat: notifier.heartbeat ?? Number.POSITIVE_INFINITY,
    sysctl: (name) => sysctl(`net/ipv4/vs/${name}`),
    withAdded: (added) => withAdditions(files, added),
    newId: (kind) => `${kind}-${randomBytes(4).toString("hex")}`,
    onPass: () => {
      notifier.alive();
      if (ready) publish();
      page?.passed();
    },
    ...(onProbe === undefined ? {} : { onProbe }),
  });

  const rates = onDemand(systemClock, RATES, () => director.rates());

  function statusInput(seen?: Rates): StatusInput {
    const now = systemClock.now();
    return {
      now,
      reconciler: director.reconciler(),
      services: director.config().services,
      intentOf: (service) => director.intents().of(service),
      record: director.record,
      unproven: director.unprovenOf,
      freezes: inForce(director.intent(), now.epoch),
      added: director.intent().added,
      rates: seen,
    };
  }

  function status(seen?: Rates): StatusReply {
    const input = statusInput(seen);
    const problem = director.intents().problem();
    const reply = {
      version: VERSION,
      mode: director.config().ipvs.mode,
      now: input.now.epoch,
      startedAt,
      ready,
      config: { file, loadedAt, lastReload },
      table: tableStatus(input.reconciler, input.now),
      state: { writable: problem === undefined, problem },
      freezes: input.freezes.map(freezeStatus),
      services: input.services.map((service) => serviceStatus(service, input)),
      drains: director.intent().drains.map((drain) => statusOf(context, drain)),
      hooks: hooks.status(),
    };
    return { ...reply, problems: problemsOf(reply, director.besideProblems()) };
  }

  /** For scripts, and for `systemctl status`. */
  function publish(): void {
    const { desired } = director.reconciler();
    const ups = new Map(director.config().services.map((s) => [s.name, isServiceUp(desired?.services.get(s.key))]));
    up.write(ups);
    void notifier.status(statusLine(ups));
  }

  function statusLine(ups: ReadonlyMap<string, boolean>): string {
    const down = [...ups].filter(([, up]) => !up).map(([name]) => name);
    const frozen = inForce(director.intent(), systemClock.now().epoch).map(
      (freeze) => freeze.serviceName ?? "everything",
    );
    const { lastError } = director.reconciler();
    return [
      size(),
      ...(lastError === undefined ? [] : [`the IPVS table cannot be kept: ${lastError}`]),
      ...(lastReload?.ok === false ? ["the last reload was refused, the configuration before it is in force"] : []),
      ...(frozen.length === 0 ? [] : [`FROZEN: ${frozen.join(", ")}`]),
      ...(down.length === 0 ? [] : [`down: ${down.join(", ")}`]),
    ].join("; ");
  }

  /** One after the other: two reloads at once would each judge against a configuration that the other replaces. */
  function reload(force: boolean): Promise<Result<ReloadReply, ReloadRefusal>> {
    const turn = reloading.then(() => reloadNow(force));
    reloading = turn.catch(() => {});
    return turn;
  }

  async function reloadNow(force: boolean): Promise<Result<ReloadReply, ReloadRefusal>> {
    await notifier.reloading();
    const done = await tryReload(force);
    const problems = done.ok ? [] : done.error.problems;
    lastReload = { at: Date.now(), ok: done.ok, problems };
    for (const problem of problems) events.record({ kind: "reload", severity: "error", message: `reload: ${problem}` });
    events.record(
      done.ok
        ? { kind: "reload", severity: "info", message: `reloaded ${file}`, to: "done" }
        : {
            kind: "reload",
            severity: "error",
            message: `reload refused, nothing changed: ${counted(problems.length, "problem")}`,
            to: "refused",
            ...(problems[0] === undefined ? {} : { reason: problems[0] }),
          },
    );
    if (ready) publish();
    await notifier.ready();
    return done;
  }

  async function tryReload(force: boolean): Promise<Result<ReloadReply, ReloadRefusal>> {
    const old = director.config();
    const next = await loadFilesAside(file);
    const { problems } = next.parsed;
    const warnings = problems.filter((p) => p.severity === "warning").map(formatProblem);
    if (!next.parsed.config)
      return err({ kind: "invalid", problems: problems.filter((p) => p.severity === "error").map(formatProblem) });
    const full = withAdditions(next, director.intent().added);
    if (!full.ok) warnings.push(`added servers are left out: ${full.error}`);
    const config = full.ok ? full.value : next.parsed.config;
    const removed = force ? [] : removalRefusals(old, config);
    if (removed.length > 0) return err({ kind: "removes", problems: removed });
    const fixed = needRestart(initial, config);
    files = next;
    hooks.use(config.hooks);
    await director.reload(config);
    tallies?.keep(director.config());
    if (config.log.level !== old.log.level) log.level = config.log.level;
    loadedAt = Date.now();
    for (const warning of [...warnings, ...fixed])
      events.record({ kind: "reload", severity: "warning", message: `reload: ${warning}` });
    return ok({ changed: true, warnings: [...warnings, ...fixed], unproven: unprovenChecks() });
  }

  function unprovenChecks(): readonly string[] {
    const { services } = director.config();
    return services.flatMap((service) =>
      serviceStatus(service, statusInput()).unproven.map((check) => `${service.name}: ${check}`),
    );
  }

  function size(): string {
    const { services } = director.config();
    const servers = services.reduce((sum, s) => sum + s.servers.length, 0);
    return `${counted(services.length, "service")}, ${counted(servers, "server")}`;
  }

  const plan = planner({
    load: () => loadFilesAside(file),
    file,
    running: director.config,
    withAdded: (next) => withAdditions(next, director.intent().added),
    frozen: () => inForce(director.intent(), systemClock.now().epoch).map((f) => f.serviceName ?? "everything"),
    needRestart: (next) => needRestart(initial, next),
    plan: director.plan,
  });
  const context: HandlerContext = { director, status, statusInput, rates, reload, plan };
  const page = initial.http && statusPage(systemClock, context, (error) => log.error(error, "the status page"));
  const doors: Listening[] = [];
  const signals = catchSignals();
  signals.onReload(() => void reload(false));
  await director.load();
  try {
    const api = apiHandler(context);
    const { control, http } = initial;
    doors.push(
      await listenUnix({ path: control.socket, mode: control.mode, group: control.group, readOnly: false }, api),
    );
    if (control.readOnly) {
      const { socket, mode } = control.readOnly;
      doors.push(await listenUnix({ path: socket, mode, group: undefined, readOnly: true }, api));
    }
    if (http) {
      const measured = {
        director,
        statusInput,
        hooks: hooks.status,
        ready: () => ready,
        loadedAt: () => loadedAt,
        lastReloadOk: () => lastReload?.ok !== false,
      };
      const metrics = tallies ? { metrics: tallies.serve(measured) } : {};
      const door = doorHandler({ ...readyRoutes(context, () => ready), ...metrics, ...page?.routes }, api);
      for (const endpoint of http.listen) doors.push(await listenTcp(endpoint, http.hosts, door));
    }
  } catch (error) {
    log.fatal(error instanceof Error ? error.message : String(error));
    for (const door of doors) await door.close();
    await hooks.stop();
    return 1;
  }
  log.info(
    { config: file, version: VERSION },
    `director ${VERSION} with ${file}: ${size()}; commands at ${initial.control.socket}`,
  );

  const starting = director.start();
  reloading = starting;
  const waiting = await Promise.race([starting, signals.stop.then(() => undefined)]);
  if (waiting !== undefined) {
    ready = true;
    if (waiting.length > 0) log.warn(`ready, though ${waiting.length} checks have no verdict yet`);
    const { lastError } = director.reconciler();
    if (lastError !== undefined) log.error(`ready, though the IPVS table cannot be kept: ${lastError}`);
    log.info({ ready: true }, `ready: ${size()}`);
    publish();
    await notifier.ready();
  }

  const endReminding = remindHourly(
    systemClock,
    () => director.reconciler().desired,
    ({ message, ...counts }) => log.warn(counts, message),
  );
  const signal = await signals.stop;
  endReminding();
  log.info(`${signal}: stopping; the table stays as it is`);
  await notifier.stopping();
  for (const door of doors) await door.close();
  await director.stop();
  tallies?.stop();
  await hooks.stop();
  folding.flush();
  await history.flush();
  up.remove();
  log.info("stopped");
  // A hook's name that is being looked up cannot be given up, and would keep the process for as long as the resolver takes.
  setTimeout(() => process.exit(), 1_000).unref();
  return 0;
}

/** Every call of the table ends by a deadline of its own (ipvs.timeout), which may be longer than the watchdog's, and a restart makes no
 *  ipvsadm quicker: while one lasts the watchdog is fed. An event loop that stands still feeds nobody. */
function awake(table: KernelTable, during: Notifier["during"]): KernelTable {
  return {
    read: (signal) => during(table.read(signal)),
    glance: (known, signal) => during(table.glance(known, signal)),
    stats: (signal) => during(table.stats(signal)),
    templates: (signal) => during(table.templates(signal)),
    rates: (signal) => during(table.rates(signal)),
    apply: (changes, signal) => during(table.apply(changes, signal)),
  };
}

/** The file's configuration with what drains have added, from the texts that are in force. */
function withAdditions(files: LoadedFiles, added: readonly AddedServer[]): Result<Config, string> {
  const plain = files.parsed.config;
  if (!plain) return err("the file has problems");
  const additions = additionsFor(plain, added);
  if (additions.length === 0) return ok(plain);
  const { config, problems } = files.with(additions);
  return config
    ? ok(config)
    : err(
        problems
          .filter((p) => p.severity === "error")
          .map(formatProblem)
          .join("; "),
      );
}

/** The first SIGTERM or SIGINT ends in order, the second at once. */
function catchSignals() {
  const stop = Promise.withResolvers<NodeJS.Signals>();
  let stopping = false;
  for (const name of ["SIGTERM", "SIGINT"] as const)
    process.on(name, () => {
      if (stopping) process.exit(1);
      stopping = true;
      stop.resolve(name);
    });
  return { stop: stop.promise, onReload: (listener: () => void) => void process.on("SIGHUP", listener) };
}

/** Keys that a running director cannot change. */
function needRestart(running: Config, next: Config): readonly string[] {
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ["control", running.control, next.control],
    ["http", running.http, next.http],
    ["state.directory", running.state.directory, next.state.directory],
    ["ipvs.backend", running.ipvs.backend, next.ipvs.backend],
    ["ipvs.command", running.ipvs.command, next.ipvs.command],
    ["ipvs.timeout", running.ipvs.timeout, next.ipvs.timeout],
    ["log.format", running.log.format, next.log.format],
  ];
  return pairs
    .filter(([, before, after]) => JSON.stringify(before) !== JSON.stringify(after))
    .map(([key]) => `${key} changed: it takes effect when director is restarted`);
}
