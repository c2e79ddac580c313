import type { Metrics } from "../model/metrics.ts";
import { daemonFamilies } from "./daemon-metrics.ts";
import { header, type MetricType } from "./exposition.ts";
import { serverFamilies } from "./server-metrics.ts";
import { serviceFamilies } from "./service-metrics.ts";
import { createTextBuffer, type TextBuffer } from "./text-buffer.ts";

/** One metric with all its series. */
export interface Family {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  /** Writes its lines; none where nothing is known. */
  write(to: TextBuffer): void;
}

/** Everything that is measured, metric by metric, so that whoever sends it may pause in between: 10,000 servers are 180,000 lines. What is not known has no
 *  line. Series exist for what the configuration has: those of a removed server end with it. */
export function* metricFamilies(metrics: Metrics): Generator<Family> {
  yield* serverFamilies(metrics.services);
  yield* serviceFamilies(metrics.services);
  yield* daemonFamilies(metrics);
}

export function writeFamily({ name, type, help, write }: Family, to: TextBuffer): void {
  const before = to.length();
  to.text(header(name, type, help));
  const begin = to.length();
  write(to);
  if (to.length() === begin) to.cut(before);
}

export function renderMetrics(metrics: Metrics): string {
  const to = createTextBuffer();
  for (const family of metricFamilies(metrics)) writeFamily(family, to);
  return to.whole().toString();
}
