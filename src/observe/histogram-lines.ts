import type { Histogram } from "../model/histogram.ts";
import { sample } from "./exposition.ts";

/** Cumulative buckets, sum and count. @param own labels; empty: none */
export function histogramLines(name: string, own: string, { bounds, counts, sum }: Histogram): string {
  const comma = own === "" ? "" : ",";
  let count = 0;
  let text = "";
  for (const [i, more] of counts.entries()) {
    count += more;
    text += sample(`${name}_bucket`, `${own}${comma}le="${bounds[i] ?? "+Inf"}"`, count);
  }
  return `${text}${sample(`${name}_sum`, own, Math.round(sum * 1e6) / 1e6)}${sample(`${name}_count`, own, count)}`;
}
