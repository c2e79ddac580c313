import type { ServerMetrics, ServiceMetrics, StateWord } from "../model/metrics.ts";
import { labels } from "./exposition.ts";
import type { Family } from "./metrics.ts";

/** Labels are the same for every metric of a server: made once. */
interface Labelled {
  readonly of: ServerMetrics;
  readonly labels: string;
}

export function* serverFamilies(services: readonly ServiceMetrics[]): Generator<Family> {
  const all: Labelled[] = [];
  for (const { name, servers } of services)
    for (const of of servers) all.push({ of, labels: labels({ service: name, server: of.name }) });

  const gauge = (name: string, help: string, value: (of: ServerMetrics) => number | undefined): Family =>
    plain(all, name, "gauge", help, value);
  yield gauge("director_server_up", "Whether the server is healthy by its checks.", ({ state }) =>
    state === undefined ? undefined : Number(isUp(state)),
  );
  yield states(all);
  yield gauge("director_server_weight", "The weight it is to have, in the file's units.", (s) => s.weight);
  yield gauge(
    "director_server_kernel_weight",
    "The weight it has in the kernel's table, in its first entry there.",
    (s) => s.kernelWeight,
  );
  yield gauge("director_server_configured_weight", "The weight in the file.", (s) => s.configuredWeight);
  yield gauge("director_server_active_connections", "Open connections.", (s) => s.active);
  yield gauge("director_server_inactive_connections", "Closing connections; all of UDP.", (s) => s.inactive);
  yield plain(
    all,
    "director_server_connections_total",
    "counter",
    "Connections since the kernel has the entry.",
    (s) => s.connections,
  );
  yield gauge("director_server_last_change_timestamp_seconds", "When its state last changed.", (s) =>
    seconds(s.changedAt),
  );
  yield gauge(
    "director_server_last_conclusive_probe_timestamp_seconds",
    "When it was last known how it is; of several checks the one that waits the longest.",
    (s) => seconds(s.conclusiveAt),
  );
  yield transitions(all);
  yield* overrides(all);
  yield infos(services);
}

function plain(
  all: readonly Labelled[],
  name: string,
  type: "gauge" | "counter",
  help: string,
  value: (of: ServerMetrics) => number | undefined,
): Family {
  let samples = "";
  const head = `${name}{`;
  for (const each of all) {
    const known = value(each.of);
    if (known !== undefined) samples += `${head}${each.labels}} ${known}\n`;
  }
  return { name, type, help, samples };
}

function isUp(state: StateWord): boolean {
  return state === "up" || state === "presumed-up" || state === "no-check";
}

function seconds(at: number | undefined): number | undefined {
  return at === undefined ? undefined : at / 1000;
}

/** Five lines for each server: written by hand, they are a third of all there is. */
function states(all: readonly Labelled[]): Family {
  const name = "director_server_state";
  const head = `${name}{`;
  let samples = "";
  for (const { of, labels: own } of all) {
    if (of.state === undefined) continue;
    samples +=
      head +
      own +
      (of.state === "up" ? ',state="up"} 1\n' : ',state="up"} 0\n') +
      head +
      own +
      (of.state === "presumed-up" ? ',state="presumed-up"} 1\n' : ',state="presumed-up"} 0\n') +
      head +
      own +
      (of.state === "no-check" ? ',state="no-check"} 1\n' : ',state="no-check"} 0\n') +
      head +
      own +
      (of.state === "unknown" ? ',state="unknown"} 1\n' : ',state="unknown"} 0\n') +
      head +
      own +
      (of.state === "down" ? ',state="down"} 1\n' : ',state="down"} 0\n');
  }
  return { name, type: "gauge", help: "1 for the state it is in, 0 for the others.", samples };
}

function transitions(all: readonly Labelled[]): Family {
  const name = "director_server_transitions_total";
  let samples = "";
  for (const { of, labels: own } of all)
    samples += `${name}{${own},to="up"} ${of.ups}\n${name}{${own},to="down"} ${of.downs}\n`;
  return { name, type: "counter", help: "How often it went down, and came back.", samples };
}

function* overrides(all: readonly Labelled[]): Generator<Family> {
  const [info, since] = ["director_server_override_info", "director_server_override_since_timestamp_seconds"];
  let infoLines = "";
  let sinceLines = "";
  for (const { of, labels: own } of all)
    for (const { kind, since: at } of of.overrides) {
      infoLines += `${info}{${own},kind="${kind}"} 1\n`;
      if (at !== undefined) sinceLines += `${since}{${own},kind="${kind}"} ${at / 1000}\n`;
    }
  const what = "Somebody's word holds it off the file's weight (disabled, weight, drained, state-lost)";
  yield { name: info, type: "gauge", help: `${what}: 1.`, samples: infoLines };
  yield { name: since, type: "gauge", help: `${what}: since when.`, samples: sinceLines };
}

function infos(services: readonly ServiceMetrics[]): Family {
  const name = "director_server_info";
  let samples = "";
  for (const service of services)
    for (const { name: server, address, forward, protocol } of service.servers)
      samples += `${name}{${labels({ service: service.name, server, address, forward, protocol })}} 1\n`;
  return { name, type: "gauge", help: "Where it is and how packets get there: 1.", samples };
}
