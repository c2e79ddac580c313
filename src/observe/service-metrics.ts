import { type CheckMetrics, type ServiceMetrics, STATE_WORDS } from "../model/metrics.ts";
import { labels, sample } from "./exposition.ts";
import { histogramLines } from "./histogram-lines.ts";
import type { Family } from "./metrics.ts";

export function* serviceFamilies(services: readonly ServiceMetrics[]): Generator<Family> {
  const all = services.map((of) => ({ of, labels: labels({ service: of.name }) }));

  const each = (
    name: string,
    type: Family["type"],
    help: string,
    lines: (of: ServiceMetrics, own: string) => string,
  ): Family => ({
    name,
    type,
    help,
    write(to) {
      for (const { of, labels: own } of all) to.text(lines(of, own));
    },
  });
  const gauge = (name: string, help: string, value: (of: ServiceMetrics) => number | boolean | undefined): Family =>
    each(name, "gauge", help, (of, own) => {
      const known = value(of);
      return known === undefined ? "" : sample(name, own, Number(known));
    });

  yield gauge("director_service_up", "Its quorum is held and somebody gets clients.", (s) => s.decided?.up);
  yield gauge(
    "director_service_capacity_ratio",
    "Weight of its healthy, enabled servers as a part of the configured weight.",
    (s) => s.decided && Math.round(s.decided.capacity * 1e6) / 1e6,
  );
  yield gauge("director_service_quorum_held", "Whether it has enough healthy servers.", (s) => s.decided?.quorumHeld);
  yield each("director_service_servers", "gauge", "Its servers by state.", ({ decided, servers }, own) => {
    if (!decided) return "";
    const count = (state: string) => servers.reduce((sum, server) => sum + Number(server.state === state), 0);
    return STATE_WORDS.map((state) => sample("director_service_servers", `${own},state="${state}"`, count(state))).join(
      "",
    );
  });
  yield gauge(
    "director_service_fail_open_active",
    "All are down by their checks, so all get clients.",
    (s) => s.decided?.failOpen,
  );
  yield gauge(
    "director_service_sorry_server_active",
    "The sorry server serves, since the quorum is lost.",
    (s) => s.decided?.sorryServes,
  );
  yield gauge("director_frozen", "Nothing is written for the service until the freeze ends.", (s) => s.frozen);
  yield each("director_checks_total", "counter", "Probes that ended, by what they found.", ({ checks }, own) =>
    checks ? results(checks, own) : "",
  );
  yield each(
    "director_check_duration_seconds",
    "histogram",
    "How long probes took that passed or failed.",
    ({ checks }, own) => (checks ? histogramLines("director_check_duration_seconds", own, checks.duration) : ""),
  );
  yield gauge(
    "director_check_unproven",
    "Checks that have passed nowhere since the reload that brought them.",
    (s) => s.unproven,
  );
  yield gauge(
    "director_service_unchecked_servers",
    "Servers with a check that could not be made for 30 seconds; their weight is kept.",
    (s) => s.unchecked,
  );
}

function results({ results: counts }: CheckMetrics, own: string): string {
  return (["pass", "fail", "inconclusive"] as const)
    .map((result) => sample("director_checks_total", `${own},result="${result}"`, counts[result]))
    .join("");
}
