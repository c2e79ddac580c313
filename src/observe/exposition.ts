/** The Prometheus text format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type MetricType = "gauge" | "counter" | "histogram";

export function header(name: string, type: MetricType, help: string): string {
  return `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`;
}

/** `service="web",server="a"`, without braces. */
export function labels(pairs: Readonly<Record<string, string>>): string {
  let text = "";
  for (const name in pairs) text += `${text === "" ? "" : ","}${name}="${escaped(pairs[name]!)}"`;
  return text;
}

const SPECIAL = /[\\"\n]/;

/** As label values are: quotes, backslashes and line ends are all that is not to be taken as it is. */
function escaped(value: string): string {
  if (!SPECIAL.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** @param own as `labels` makes them; empty: none */
export function sample(name: string, own: string, value: number): string {
  return own === "" ? `${name} ${value}\n` : `${name}{${own}} ${value}\n`;
}
