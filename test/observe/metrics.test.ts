import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Metrics } from "../../src/model/metrics.ts";
import { labels } from "../../src/observe/exposition.ts";
import { metricFamilies, renderMetrics } from "../../src/observe/metrics.ts";
import { createTextBuffer } from "../../src/observe/text-buffer.ts";
import { aServer, aService, everything } from "./everything.ts";
import { readExposition } from "./exposition.ts";

/** CONTRACT: names that are promised. */
const PROMISED =
  `director_server_up director_server_state director_server_weight director_server_kernel_weight director_server_configured_weight
  director_server_active_connections director_server_inactive_connections director_server_connections_total
  director_server_last_change_timestamp_seconds director_server_last_conclusive_probe_timestamp_seconds director_server_transitions_total
  director_server_override_info director_server_override_since_timestamp_seconds director_server_info director_service_up
  director_service_capacity_ratio director_service_servers director_service_fail_open_active director_checks_total
  director_check_duration_seconds director_check_lag_seconds director_check_unproven director_drain_progress_ratio director_drain_state
  director_drains_total director_reconcile_last_success_timestamp_seconds director_table_in_sync director_ipvs_commands_total
  director_ipvs_command_duration_seconds director_ipvs_drift_total director_frozen director_build_info
  director_config_last_reload_successful director_config_last_reload_success_timestamp_seconds director_config_reloads_total
  director_state_write_failures_total director_intent_hash director_event_loop_lag_seconds process_cpu_seconds_total
  process_resident_memory_bytes process_start_time_seconds process_open_fds process_max_fds`.split(/\s+/);

describe("metrics", () => {
  test("every promised name is there, the format is right, and help says something of each", () => {
    const read = readExposition(renderMetrics(everything()));
    assert.deepEqual(
      PROMISED.filter((name) => !read.has(name)),
      [],
    );
    for (const [name, { help }] of read) assert.match(help, /^[A-Z1].*\.$/, name);
  });

  const lines: readonly (readonly [what: string, metrics: Metrics, ...lines: readonly string[]])[] = [
    [
      "a server's numbers are in base units",
      everything(),
      'director_server_up{service="web",server="app1"} 1',
      'director_server_up{service="web",server="app2"} 0',
      'director_server_state{service="web",server="app1",state="up"} 1',
      'director_server_state{service="web",server="app1",state="down"} 0',
      'director_server_state{service="web",server="app2",state="down"} 1',
      'director_server_last_change_timestamp_seconds{service="web",server="app1"} 1795521540',
      'director_server_last_conclusive_probe_timestamp_seconds{service="web",server="app1"} 1795521598.5',
      'director_server_transitions_total{service="web",server="app1",to="down"} 2',
      'director_server_override_info{service="web",server="app2",kind="disabled"} 1',
      'director_server_override_since_timestamp_seconds{service="web",server="app2",kind="disabled"} 1795521595',
      'director_server_info{service="web",server="app1",address="10.0.0.1:80",forward="masquerade",protocol="tcp"} 1',
      'director_service_servers{service="web",state="down"} 1',
      'director_service_servers{service="web",state="unknown"} 0',
      'director_service_capacity_ratio{service="web"} 0.75',
    ],
    [
      "a histogram is cumulative; what lies on a bound is within",
      everything(),
      'director_check_duration_seconds_bucket{service="web",le="0.01"} 2',
      'director_check_duration_seconds_bucket{service="web",le="0.1"} 3',
      'director_check_duration_seconds_bucket{service="web",le="+Inf"} 4',
      'director_check_duration_seconds_sum{service="web"} 2.061',
      'director_check_duration_seconds_count{service="web"} 4',
    ],
    [
      "times are seconds, words are labels",
      everything(),
      "director_check_lag_seconds 0.0125",
      "director_event_loop_lag_seconds 0.02",
      'director_table_left_alone{why="fight"} 1',
      'director_ipvs_commands_total{result="refused"} 1',
      'director_drain_state{service="web",id="d-1",state="shifting"} 1',
      'director_drain_state{service="web",id="d-1",state="paused"} 0',
      'director_drains_total{result="rolled-back"} 2',
      'director_config_reloads_total{result="refused"} 1',
      "director_config_last_reload_successful 0",
      'director_hook_events_total{hook="mail",result="failed"} 1',
      'director_hook_queued_events{hook="mail"} 2',
    ],
    [
      "presumed up, and without a check, is up",
      everything({
        services: [aService("web", [aServer("a", { state: "presumed-up" }), aServer("b", { state: "no-check" })])],
      }),
      'director_server_up{service="web",server="a"} 1',
      'director_server_up{service="web",server="b"} 1',
    ],
  ];
  for (const [what, metrics, ...expected] of lines)
    test(what, () => {
      const text = renderMetrics(metrics).split("\n");
      for (const line of expected) assert.ok(text.includes(line), `${line} is not in:\n${text.join("\n")}`);
    });

  test("what is not known has no line, and what nobody has no head either", () => {
    const unknown = aServer("app1", {
      state: undefined,
      weight: undefined,
      kernelWeight: undefined,
      active: undefined,
      inactive: undefined,
      connections: undefined,
      changedAt: undefined,
      conclusiveAt: undefined,
    });
    const text = renderMetrics(
      everything({
        services: [aService("web", [unknown], { decided: undefined, checks: undefined })],
        drains: [],
        hooks: [],
        table: { ...everything().table, commands: undefined, lastSuccessAt: undefined },
        process: { ...everything().process, virtualBytes: undefined, openFiles: undefined, mostFiles: undefined },
      }),
    );
    const left = [...readExposition(text).keys()].filter((name) =>
      /^(director_server|director_service|director_check|director_drain|director_hook|director_ipvs|director_reconcile|process)/.test(
        name,
      ),
    );
    assert.deepEqual(left, [
      "director_server_configured_weight",
      "director_server_transitions_total",
      "director_server_info",
      "director_check_unproven",
      "director_service_unchecked_servers",
      "director_drains_total",
      "director_ipvs_drift_total",
      "director_check_lag_seconds",
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
      "process_start_time_seconds",
    ]);
  });

  test("names come back as they are, whatever is in them, and in every answer", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ unit: "grapheme", minLength: 1 }), { minLength: 1, maxLength: 4 }),
        (names) => {
          const metrics = everything({ services: names.map((name) => aService(name, [aServer(`${name}!`)])) });
          for (let i = 0; i < 2; i++) {
            const { samples } = readExposition(renderMetrics(metrics)).get("director_server_info")!;
            assert.deepEqual(
              samples.map(({ labels: own }) => [own.service, own.server]),
              names.map((name) => [name, `${name}!`]),
            );
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test("what is kept of a server from one answer to the next follows its state", () => {
    const identity = {};
    for (const state of ["up", "down", undefined, "down", "up"] as const) {
      const metrics = everything({ services: [aService("web", [aServer("a", { state })], { identity })] });
      const states = readExposition(renderMetrics(metrics)).get("director_server_state")?.samples ?? [];
      assert.deepEqual(
        states.filter(({ value }) => value === 1).map((s) => s.labels.state),
        state === undefined ? [] : [state],
      );
      assert.equal(states.length, state === undefined ? 0 : 5);
    }
  });

  test("labels: quotes, backslashes and line ends are written as the format says", () => {
    assert.equal(labels({ a: 'x"y', b: "c:\\d", e: "f\ng", h: "ü" }), 'a="x\\"y",b="c:\\\\d",e="f\\ng",h="ü"');
  });

  test("no label has values without end: reasons and addresses of clients are none", () => {
    const allowed = new Set(
      "service server state to kind address forward protocol result le id why hook version node".split(" "),
    );
    for (const [name, { samples }] of readExposition(renderMetrics(everything())))
      for (const { labels: own } of samples)
        for (const label of Object.keys(own)) assert.ok(allowed.has(label), `${name}: ${label}`);
  });

  test("names are unique, before anything is known of them as well", () => {
    const names = [...metricFamilies(everything({ services: [] }))].map(({ name }) => name);
    assert.deepEqual([...new Set(names)], names);
  });

  const promtool = spawnSync("promtool", ["--version"]).status === 0;
  test("promtool check metrics finds nothing", {
    skip: !promtool && "promtool is not in PATH (apt-get install prometheus)",
  }, () => {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
      input: renderMetrics(everything()),
      encoding: "utf8",
    });
    assert.deepEqual([status, stdout, stderr], [0, "", ""]);
  });
});

describe("the text buffer", () => {
  test("numbers are written as JavaScript writes them", () => {
    const written = (value: number) => {
      const to = createTextBuffer(1024);
      to.line(value);
      return to.whole().toString().replace(/\n$/, "");
    };
    const edges = [
      0,
      9,
      10,
      99,
      100,
      1e11,
      999_999_999_999,
      1e12,
      1.5,
      0.001,
      0.1,
      1795521598.005,
      0.1234,
      -1,
      1e21,
      2 ** 53,
    ];
    for (const value of edges) assert.equal(written(value), String(value));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double({ noNaN: true }),
          fc.nat(),
          fc.integer({ min: 0, max: 2e12 }).map((n) => n / 1000),
        ),
        (value) => assert.equal(written(value), String(Object.is(value, -0) ? 0 : value)),
      ),
    );
  });

  test("it grows as much as it has to, and what is cut is gone", () => {
    const to = createTextBuffer(1);
    to.text("ü".repeat(3000));
    const before = to.length();
    to.bytes(Buffer.from("x".repeat(20_000)));
    to.cut(before);
    to.text("!");
    assert.equal(to.whole().toString(), `${"ü".repeat(3000)}!`);
  });
});
