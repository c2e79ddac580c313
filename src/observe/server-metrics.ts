import { type ServerMetrics, type ServiceMetrics, STATE_WORDS, type StateWord } from "../model/metrics.ts";
import { labels } from "./exposition.ts";
import type { Family } from "./metrics.ts";
import type { TextBuffer } from "./text-buffer.ts";

/** What is written of one server in every answer, put together once. */
interface Labels {
  /** `service="web",server="a"`. */
  readonly labels: Uint8Array;
  /** The same to the end of all labels: `service="web",server="a"} `. */
  readonly closed: Uint8Array;
  /** What info says beyond that, to the end of its line. */
  readonly info: Uint8Array;
  /** Its five lines of states, as long as it stays in this one: a third of all lines there are. */
  states: { readonly of: StateWord; readonly lines: Uint8Array } | undefined;
}

/** Calls with each server and what is written of it. */
type Each = (visit: (of: ServerMetrics, own: Labels) => void) => void;

/** Labels are the same in every metric, and in every answer until the next reload. */
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
      states: undefined,
    };
  });
  known.set(identity, made);
  return made;
}

export function* serverFamilies(services: readonly ServiceMetrics[]): Generator<Family> {
  const groups = services.map((service) => ({ servers: service.servers, labels: labelsOf(service) }));
  const all: Each = (visit) => {
    for (const { servers, labels: own } of groups) for (let i = 0; i < servers.length; i++) visit(servers[i]!, own[i]!);
  };
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
  all: Each,
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
      all((of, { closed }) => {
        const measured = value(of);
        if (measured === undefined) return;
        to.bytes(head);
        to.bytes(closed);
        to.line(measured);
      });
    },
  };
}

function isUp(state: StateWord): boolean {
  return state === "up" || state === "presumed-up" || state === "no-check";
}

function seconds(at: number | undefined): number | undefined {
  return at === undefined ? undefined : at / 1000;
}

function states(all: Each): Family {
  const name = "director_server_state";
  const write = (to: TextBuffer): void =>
    all(({ state }, own) => {
      if (state === undefined) return;
      if (own.states?.of !== state) own.states = { of: state, lines: stateLines(name, own, state) };
      to.bytes(own.states.lines);
    });
  return { name, type: "gauge", help: "1 for the state it is in, 0 for the others.", write };
}

function stateLines(name: string, own: Labels, state: StateWord): Uint8Array {
  const text = Buffer.from(own.labels).toString();
  return bytes(STATE_WORDS.map((word) => `${name}{${text},state="${word}"} ${Number(word === state)}\n`).join(""));
}

function transitions(all: Each): Family {
  const name = "director_server_transitions_total";
  const head = bytes(`${name}{`);
  const [up, down] = [bytes(',to="up"} '), bytes(',to="down"} ')];
  const line = (to: TextBuffer, own: Uint8Array, which: Uint8Array, count: number): void => {
    to.bytes(head);
    to.bytes(own);
    to.bytes(which);
    to.line(count);
  };
  const write = (to: TextBuffer): void =>
    all((of, { labels: own }) => {
      line(to, own, up, of.ups);
      line(to, own, down, of.downs);
    });
  return { name, type: "counter", help: "How often it went down, and came back.", write };
}

function* overrides(all: Each): Generator<Family> {
  const what = "Somebody's word holds it off the file's weight (disabled, weight, drained, state-lost)";
  const each = (name: string, help: string, value: (since: number) => number): Family => ({
    name,
    type: "gauge",
    help,
    write(to) {
      all((of, { labels: own }) => {
        for (const { kind, since } of of.overrides) {
          to.text(`${name}{`);
          to.bytes(own);
          to.text(`,kind="${kind}"} ${value(since)}\n`);
        }
      });
    },
  });
  yield each("director_server_override_info", `${what}: 1.`, () => 1);
  yield each("director_server_override_since_timestamp_seconds", `${what}: since when.`, (since) => since / 1000);
}

function infos(all: Each): Family {
  const name = "director_server_info";
  const head = bytes(`${name}{`);
  const write = (to: TextBuffer): void =>
    all((_, { labels: own, info }) => {
      to.bytes(head);
      to.bytes(own);
      to.bytes(info);
    });
  return { name, type: "gauge", help: "Where it is and how packets get there: 1.", write };
}
