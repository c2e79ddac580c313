import { parseConfig } from "../src/config/parse.ts";
import { rememberingVerdicts } from "../src/director/verdicts.ts";
import { diff } from "../src/ipvs/diff.ts";
import { err } from "../src/model/result.ts";
import { desired } from "../src/policy/desired.ts";
import { withLeaving } from "../src/policy/leaving.ts";
import { NO_INTENT } from "../src/policy/moves.ts";
import { probeTypes } from "../src/probe/registry.ts";
import { directorConf } from "./probing/subjects.ts";

const text = directorConf(
  {
    way: "tcp",
    servers: 10000,
    periodMs: 1000,
    ports: { tcp: 1, http: 2, https: 3, udp: 4 },
    folder: "/tmp/x",
    cpu: 1,
  },
  "/x",
);
const { config } = parseConfig({ file: "x", text }, { probeTypes, readInclude: () => err("no") });
const state = {
  state: { kind: "up", since: 5, recovered: false, failures: 0, reason: undefined },
  everPassed: true,
} as never;
const states = new Map<string, never>();
for (const s of config!.services) for (const r of s.servers) for (const c of r.checks) states.set(c.key, state);
const beliefs = { presumedUp: new Map(), unproven: new Map() };
const remembering = rememberingVerdicts(
  (k) => states.get(k),
  () => 0,
);
const verdict = (s: never, r: never) => remembering(s, r, beliefs);
let last: ReturnType<typeof desired> | undefined;
const owned = new Set(config!.services.map((s) => s.key));
const time = (name: string, work: () => void) => {
  for (let i = 0; i < 20; i++) work();
  const a = process.cpuUsage();
  for (let i = 0; i < 30; i++) work();
  const b = process.cpuUsage(a);
  console.log(name.padEnd(12), ((b.user + b.system) / 30 / 1000).toFixed(2), "ms CPU");
};
const run = () => {
  last = desired({
    config: config!,
    intent: () => NO_INTENT,
    verdict: verdict as never,
    expireQuiescentTemplate: true,
    actual: last?.table ?? new Map(),
    now: 100 as never,
    before: (s) => last?.services.get(s.key),
  });
};
time("desired", run);
const table = last!.table;
run();
time("diff", () => {
  diff(last!.table, table, owned);
});
time("leaving", () => {
  withLeaving({
    desired: last!.table,
    actual: table,
    owned,
    before: new Map(),
    watched: new Map(),
    takenOut: () => false,
    glance: new Map(),
    stats: undefined,
    graceOf: () => 1,
    now: 5 as never,
  });
});
