import type { Metrics } from "../model/metrics.ts";
import { daemonFamilies } from "./daemon-metrics.ts";
import { header, type MetricType } from "./exposition.ts";
import { serverFamilies } from "./server-metrics.ts";
import { serviceFamilies } from "./service-metrics.ts";

/** One metric with all its series. */
export interface Family {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  /** Its lines; nothing where nothing is known. */
  readonly samples: string;
}

/** Everything that is measured, metric by metric, so that whoever sends it may pause in between: 10,000 servers are 200,000 lines. What is not known has no
 *  line. Series exist for what the configuration has: those of a removed server end with it. */
export function* metricFamilies(metrics: Metrics): Generator<Family> {
  yield* serverFamilies(metrics.services);
  yield* serviceFamilies(metrics.services);
  yield* daemonFamilies(metrics);
}

export function familyText({ name, type, help, samples }: Family): string {
  return samples === "" ? "" : header(name, type, help) + samples;
}

export function renderMetrics(metrics: Metrics): string {
  let text = "";
  for (const family of metricFamilies(metrics)) text += familyText(family);
  return text;
}
