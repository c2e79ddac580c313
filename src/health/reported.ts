import type { Report } from "../model/probe.ts";

/** What is known after one more report; the very same object when that changes nothing. */
export function reportAfter(before: Report | undefined, report: Report | undefined): Report | undefined {
  if (report === undefined) return before;
  const next = { ...before, ...report };
  return same(before ?? {}, next) ? before : next;
}

function same(a: Report, b: Report): boolean {
  return a.factor === b.factor && a.weight === b.weight && a.hold === b.hold;
}

/** Several checks of one server: factors multiply, the first that names a weight names it, maint comes before drain. undefined: nobody wants
 *  anything. */
export function combined(reports: readonly (Report | undefined)[]): Report | undefined {
  let factor: number | undefined;
  let weight: number | undefined;
  let hold: Report["hold"];
  for (const report of reports) {
    if (report?.factor !== undefined) factor = (factor ?? 1) * report.factor;
    weight ??= report?.weight;
    if (report?.hold !== undefined && hold !== "maint") hold = report.hold;
  }
  return factor === undefined && weight === undefined && hold === undefined ? undefined : { factor, weight, hold };
}

/** What a server's weight is multiplied with, 0 and above. A weight that is reported counts in place of the configured one, so what drains have
 *  moved of that stays moved; one set by command (`base`) comes before both. A standby (configured 0) stays one, and of what it took over only a 0
 *  takes anything away. */
export function multiplier(
  report: Report | undefined,
  of: { readonly configured: number; readonly base: number },
): number {
  if (report === undefined) return 1;
  const { factor = 1, weight } = report;
  if (weight === undefined || of.base !== of.configured) return factor;
  if (of.configured === 0) return weight === 0 ? 0 : factor;
  return (factor * weight) / of.configured;
}

/** `maint, 50% of its weight`; undefined: nothing that makes a difference. */
export function reportWords(report: Report | undefined): string | undefined {
  const words: string[] = [];
  if (report?.hold !== undefined) words.push(report.hold);
  if (report?.weight !== undefined) words.push(`weight ${report.weight}`);
  if (report?.factor !== undefined) words.push(`${Math.round(report.factor * 1000) / 10}% of its weight`);
  return words.length === 0 ? undefined : words.join(", ");
}
