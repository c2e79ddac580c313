import { createHistogram } from "../../src/model/histogram.ts";
import type { Metrics, ServerMetrics, ServiceMetrics } from "../../src/model/metrics.ts";
import type { EpochMs } from "../../src/model/time.ts";

const NOON = Date.UTC(2026, 10, 24, 12) as EpochMs;

export function aServer(name: string, more: Partial<ServerMetrics> = {}): ServerMetrics {
  return {
    name,
    address: "10.0.0.1:80",
    forward: "masquerade",
    protocol: "tcp",
    configuredWeight: 100,
    state: "up",
    weight: 100,
    kernelWeight: 100,
    active: 12,
    inactive: 3,
    connections: 1000,
    changedAt: (NOON - 60_000) as EpochMs,
    conclusiveAt: (NOON - 1_500) as EpochMs,
    ups: 1,
    downs: 2,
    overrides: [],
    ...more,
  };
}

export function aService(
  name: string,
  servers: readonly ServerMetrics[],
  more: Partial<ServiceMetrics> = {},
): ServiceMetrics {
  const duration = createHistogram([0.01, 0.1]);
  for (const seconds of [0.001, 0.01, 0.05, 2]) duration.observe(seconds);
  return {
    name,
    identity: {},
    servers,
    decided: { up: true, capacity: 0.75, quorumHeld: true, failOpen: false, sorryServes: false },
    frozen: false,
    unproven: 0,
    unchecked: 0,
    checks: { results: { pass: 3, fail: 1, inconclusive: 2 }, duration },
    ...more,
  };
}

/** Everything there is, once. */
export function everything(more: Partial<Metrics> = {}): Metrics {
  const servers = [
    aServer("app1"),
    aServer("app2", { state: "down", weight: 0, overrides: [{ kind: "disabled", since: (NOON - 5_000) as EpochMs }] }),
  ];
  return {
    version: "1.2.3",
    nodeVersion: "24.0.0",
    ready: true,
    config: { loadedAt: NOON, lastReloadOk: false, reloads: { done: 3, refused: 1 } },
    state: { writeFailures: 4, intentHash: 5 },
    table: {
      inSync: true,
      lastSuccessAt: NOON,
      leftAlone: { reported: 0, fight: 1 },
      refused: 2,
      drift: 6,
      commands: { results: { ok: 7, refused: 1, failed: 0 }, duration: createHistogram([0.1, 1]) },
    },
    services: [aService("web", servers)],
    drains: [{ id: "d-1", service: "web", state: "shifting", progress: 0.4 }],
    drainsEnded: { done: 1, "rolled-back": 2, aborted: 0, failed: 0 },
    hooks: [{ name: "mail", delivered: 5, failed: 1, dropped: 0, queued: 2 }],
    checkLag: 12.5,
    process: {
      cpuSeconds: 1.5,
      residentBytes: 100_000_000,
      startedAt: NOON,
      virtualBytes: 1,
      openFiles: 30,
      mostFiles: 1024,
      loopLag: 20,
    },
    ...more,
  };
}
