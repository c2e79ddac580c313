import { type ServerMetrics, type ServiceMetrics, STATE_WORDS, type StateWord } from "../model/metrics.ts";
import { labels } from "./exposition.ts";
import type { Family } from "./metrics.ts";
import type { TextBuffer } from "./text-buffer.ts";

interface Labels {
  /** `service="web",server="a"`. */
  readonly labels: Uint8Array;
  /** The same to the end of all labels: `service="web",server="a"} `. */
  readonly closed: Uint8Array;
  /** What info says beyond that, to the end of its line. */
  readonly info: Uint8Array;
}

interface Labelled extends Labels {
  readonly of: ServerMetrics;
}

/** Labels are the same in every metric, and in every answer until the next reload: made once. */
const known = new WeakMap<object, readonly Labels[]>();

function labelsOf({ name, identity, servers }: ServiceMetrics): readonly Labels[] {
  const present = known.get(identity);
  if (present) return present;
  const service = labels({ service: name });
  const made = servers.map(({ name: server, address, forward, protocol }) => {
    const closed = bytes(`${service},${labels({ server })}} `);
    return {
      labels: closed.subarray(0, -2),
      closed,
      info: bytes(`,${labels({ address, forward, protocol })}} 1\n`),
    };
  });
  known.set(identity, made);
  return made;
}

export function* serverFamilies(services: readonly ServiceMetrics[]): Generator<Family> {
  const all: Labelled[] = [];
  for (const service of services) {
    const own = labelsOf(service);
    for (const [i, of] of service.servers.entries()) all.push({ ...own[i]!, of });
  }
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
  yield infos(all);
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

function plain(
  all: readonly Labelled[],
  name: string,
  type: "gauge" | "counter",
  help: string,
  value: (of: ServerMetrics) => number | undefined,
): Family {
  const head = bytes(`${name}{`);
  return {
    name,
    type,
    help,
    write(to) {
      for (const each of all) {
        const measured = value(each.of);
        if (measured === undefined) continue;
        to.bytes(head);
        to.bytes(each.closed);
        to.line(measured);
      }
    },
  };
}

function isUp(state: StateWord): boolean {
  return state === "up" || state === "presumed-up" || state === "no-check";
}

function seconds(at: number | undefined): number | undefined {
  return at === undefined ? undefined : at / 1000;
}

function states(all: readonly Labelled[]): Family {
  const name = "director_server_state";
  const head = bytes(`${name}{`);
  const ends = STATE_WORDS.map((word) => ({
    word,
    yes: bytes(`,state="${word}"} 1\n`),
    no: bytes(`,state="${word}"} 0\n`),
  }));
  const write = (to: TextBuffer): void => {
    for (const { of, labels: own } of all) {
      if (of.state === undefined) continue;
      for (const { word, yes, no } of ends) {
        to.bytes(head);
        to.bytes(own);
        to.bytes(of.state === word ? yes : no);
      }
    }
  };
  return { name, type: "gauge", help: "1 for the state it is in, 0 for the others.", write };
}

function transitions(all: readonly Labelled[]): Family {
  const name = "director_server_transitions_total";
  const head = bytes(`${name}{`);
  const [up, down] = [bytes(',to="up"} '), bytes(',to="down"} ')];
  const line = (to: TextBuffer, own: Uint8Array, which: Uint8Array, count: number): void => {
    to.bytes(head);
    to.bytes(own);
    to.bytes(which);
    to.line(count);
  };
  const write = (to: TextBuffer): void => {
    for (const { of, labels: own } of all) {
      line(to, own, up, of.ups);
      line(to, own, down, of.downs);
    }
  };
  return { name, type: "counter", help: "How often it went down, and came back.", write };
}

function* overrides(all: readonly Labelled[]): Generator<Family> {
  const what = "Somebody's word holds it off the file's weight (disabled, weight, drained, state-lost)";
  const each = (name: string, help: string, value: (since: number) => number): Family => ({
    name,
    type: "gauge",
    help,
    write(to) {
      for (const { of, labels: own } of all)
        for (const { kind, since } of of.overrides) {
          to.text(`${name}{`);
          to.bytes(own);
          to.text(`,kind="${kind}"} ${value(since)}\n`);
        }
    },
  });
  yield each("director_server_override_info", `${what}: 1.`, () => 1);
  yield each("director_server_override_since_timestamp_seconds", `${what}: since when.`, (since) => since / 1000);
}

function infos(all: readonly Labelled[]): Family {
  const name = "director_server_info";
  const head = bytes(`${name}{`);
  const write = (to: TextBuffer): void => {
    for (const { labels: own, info } of all) {
      to.bytes(head);
      to.bytes(own);
      to.bytes(info);
    }
  };
  return { name, type: "gauge", help: "Where it is and how packets get there: 1.", write };
}
