import { type Counts, DRAIN_WORDS, type Metrics } from "../model/metrics.ts";
import { labels, sample } from "./exposition.ts";
import { histogramLines } from "./histogram-lines.ts";
import type { Family } from "./metrics.ts";

export function* daemonFamilies(metrics: Metrics): Generator<Family> {
  yield* drainFamilies(metrics);
  yield* tableFamilies(metrics.table);
  yield* hookFamilies(metrics.hooks);
  yield* ownFamilies(metrics);
  yield* processFamilies(metrics.process);
}

function family(name: string, type: Family["type"], help: string, samples: string): Family {
  return { name, type, help, write: (to) => to.text(samples) };
}

function single(name: string, type: "gauge" | "counter", help: string, value: number | boolean | undefined): Family {
  return family(name, type, help, value === undefined ? "" : sample(name, "", Number(value)));
}

function counted(name: string, type: "gauge" | "counter", help: string, label: string, counts: Counts<string>): Family {
  const lines = Object.entries(counts).map(([word, count]) => sample(name, `${label}="${word}"`, count));
  return family(name, type, help, lines.join(""));
}

function* drainFamilies({ drains, drainsEnded }: Metrics): Generator<Family> {
  const [progress, state] = ["director_drain_progress_ratio", "director_drain_state"];
  let shares = "";
  let states = "";
  for (const drain of drains) {
    const own = labels({ service: drain.service, id: drain.id });
    shares += sample(progress, own, drain.progress);
    for (const word of DRAIN_WORDS) states += sample(state, `${own},state="${word}"`, Number(drain.state === word));
  }
  yield family(progress, "gauge", "Part of the olds' weight that the steps ask to have moved.", shares);
  yield family(
    state,
    "gauge",
    "1 for the state the drain is in, 0 for the others, as long as it counts for weights.",
    states,
  );
  yield counted("director_drains_total", "counter", "Drains that ended.", "result", drainsEnded);
}

function* tableFamilies(table: Metrics["table"]): Generator<Family> {
  const { commands, lastSuccessAt } = table;
  yield single(
    "director_reconcile_last_success_timestamp_seconds",
    "gauge",
    "When the kernel's table was last read, and written where it had to be.",
    lastSuccessAt === undefined ? undefined : lastSuccessAt / 1000,
  );
  yield single("director_table_in_sync", "gauge", "The kernel's table is as it should be.", table.inSync);
  yield counted(
    "director_table_left_alone",
    "gauge",
    "What somebody else changed and director leaves so: reported (ipvs.drift) or fought for.",
    "why",
    table.leftAlone,
  );
  yield single("director_table_refused", "gauge", "Entries that the kernel refuses.", table.refused);
  yield counted("director_ipvs_commands_total", "counter", "Runs of ipvsadm.", "result", commands?.results ?? {});
  const duration = "director_ipvs_command_duration_seconds";
  const lines = commands ? histogramLines(duration, "", commands.duration) : "";
  yield family(duration, "histogram", "How long runs of ipvsadm took.", lines);
  yield single("director_ipvs_drift_total", "counter", "Changes to our entries that somebody else made.", table.drift);
}

function* hookFamilies(hooks: Metrics["hooks"]): Generator<Family> {
  const each = (
    name: string,
    type: "gauge" | "counter",
    help: string,
    values: (hook: Metrics["hooks"][number]) => Readonly<Record<string, number>>,
  ): Family => {
    const lines = hooks.flatMap((hook) =>
      Object.entries(values(hook)).map(([result, value]) =>
        sample(name, labels({ hook: hook.name, ...(result === "" ? {} : { result }) }), value),
      ),
    );
    return family(name, type, help, lines.join(""));
  };
  yield each("director_hook_events_total", "counter", "Events a hook was told of, or was not.", (hook) => ({
    delivered: hook.delivered,
    failed: hook.failed,
    dropped: hook.dropped,
  }));
  yield each("director_hook_queued_events", "gauge", "Events that wait for their hook.", (hook) => ({
    "": hook.queued,
  }));
}

function* ownFamilies({ version, nodeVersion, ready, config, state, checkLag }: Metrics): Generator<Family> {
  const build = sample("director_build_info", labels({ version, node: nodeVersion }), 1);
  yield family("director_build_info", "gauge", "What runs: 1.", build);
  yield single(
    "director_ready",
    "gauge",
    "The table is written and every check had the time for its first verdict.",
    ready,
  );
  yield single(
    "director_config_last_reload_successful",
    "gauge",
    "The last reload that was asked for is in force.",
    config.lastReloadOk,
  );
  yield single(
    "director_config_last_reload_success_timestamp_seconds",
    "gauge",
    "When the configuration in force was loaded.",
    config.loadedAt / 1000,
  );
  yield counted("director_config_reloads_total", "counter", "Reloads.", "result", config.reloads);
  yield single(
    "director_state_write_failures_total",
    "counter",
    "Writes of what operators said that failed.",
    state.writeFailures,
  );
  yield single(
    "director_intent_hash",
    "gauge",
    "Equal on two directors that were told the same; a number without a meaning of its own.",
    state.intentHash,
  );
  yield single(
    "director_check_lag_seconds",
    "gauge",
    "How late the last checks that were due began.",
    Math.round(checkLag * 1000) / 1e6,
  );
}

function* processFamilies(process: Metrics["process"]): Generator<Family> {
  yield single(
    "director_event_loop_lag_seconds",
    "gauge",
    "The longest that everything due had to wait within the last half minute.",
    Math.round(process.loopLag * 1000) / 1e6,
  );
  yield single("process_cpu_seconds_total", "counter", "CPU time, user and system.", process.cpuSeconds);
  yield single("process_resident_memory_bytes", "gauge", "Resident memory.", process.residentBytes);
  yield single("process_virtual_memory_bytes", "gauge", "Virtual memory.", process.virtualBytes);
  yield single("process_start_time_seconds", "gauge", "When the process began.", Math.round(process.startedAt) / 1000);
  yield single("process_open_fds", "gauge", "Open file descriptors.", process.openFiles);
  yield single("process_max_fds", "gauge", "File descriptors it may have.", process.mostFiles);
}
