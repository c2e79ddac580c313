/** A strict reader of the Prometheus text format 0.0.4, for tests: says what promtool would say, and more. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** @throws what is wrong, with its line */
export function readExposition(text: string): ReadonlyMap<string, ReadFamily> {
  if (!text.endsWith("\n")) throw new Error("the last line is not ended");
  const families = new Map<string, { type: string; help: string; samples: Sample[] }>();
  const seen = new Set<string>();
  let current: string | undefined;
  for (const [i, line] of text.slice(0, -1).split("\n").entries()) {
    const wrong = (what: string) => new Error(`line ${i + 1}: ${what}: ${line}`);
    const help = /^# HELP (\S+) (.+)$/.exec(line);
    if (help) {
      current = help[1]!;
      if (!NAME.test(current)) throw wrong("no name of a metric");
      if (families.has(current)) throw wrong("told twice, or not in one piece");
      families.set(current, { type: "", help: help[2]!, samples: [] });
      continue;
    }
    const type = /^# TYPE (\S+) (gauge|counter|histogram)$/.exec(line);
    const family = current === undefined ? undefined : families.get(current);
    if (!family || current === undefined) throw wrong("nothing was said of it before");
    if (type) {
      if (type[1] !== current || family.type !== "") throw wrong("a type of something else, or too late");
      family.type = type[2]!;
      continue;
    }
    const sample = readSample(line);
    if (typeof sample === "string") throw wrong(sample);
    const own = family.type === "histogram" ? /_(bucket|sum|count)$/ : /^$/;
    if (family.type === "" || sample.name.replace(own, "") !== current) throw wrong("belongs to another metric");
    const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    if (seen.has(key)) throw wrong("the same series twice");
    seen.add(key);
    family.samples.push(sample);
  }
  for (const [name, family] of families) judge(name, family);
  return families;
}

function readSample(line: string): Sample | string {
  const [, name = "", inside = "", number = ""] = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (!NAME.test(name)) return "no sample";
  const value = number === "+Inf" ? Number.POSITIVE_INFINITY : Number(number);
  if (number === "" || Number.isNaN(value)) return "no number";
  const labels: Record<string, string> = {};
  let rest = inside;
  while (rest !== "") {
    const pair = /^([^=]+)="((?:[^"\\\n]|\\["\\n])*)"(,(?=.)|$)/.exec(rest);
    if (!pair || !LABEL.test(pair[1]!)) return "labels are not written well";
    if (pair[1]! in labels) return "the same label twice";
    labels[pair[1]!] = pair[2]!.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
    rest = rest.slice(pair[0].length);
  }
  return { name, labels, value };
}

/** What promtool check metrics demands of names and types. */
function judge(name: string, { type, samples }: ReadFamily): void {
  if (samples.length === 0) throw new Error(`${name}: announced, and nothing follows`);
  if ((type === "counter") !== name.endsWith("_total"))
    throw new Error(`${name}: counters end in _total, and nothing else`);
  if (/_(count|sum|bucket)$/.test(name)) throw new Error(`${name}: ends as parts of histograms do`);
  if (/_(milliseconds|ms|minutes|hours|percent|kilobytes)(_|$)/.test(name))
    throw new Error(`${name}: not in base units`);
  if (type === "histogram") judgeHistogram(name, samples);
  else if (samples.some(({ labels }) => "le" in labels)) throw new Error(`${name}: le outside of a histogram`);
}

function judgeHistogram(name: string, samples: readonly Sample[]): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...own } = sample.labels;
    const key = JSON.stringify(Object.entries(own).sort());
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const [key, group] of groups) {
    const buckets = group.filter((s) => s.name.endsWith("_bucket"));
    const bounds = buckets.map((s) => (s.labels.le === "+Inf" ? Number.POSITIVE_INFINITY : Number(s.labels.le)));
    const count = group.find((s) => s.name.endsWith("_count"))?.value;
    const sum = group.find((s) => s.name.endsWith("_sum"))?.value;
    const ascending = bounds.every((b, i) => i === 0 || b > bounds[i - 1]!);
    const cumulative = buckets.every((b, i) => i === 0 || b.value >= buckets[i - 1]!.value);
    const whole = bounds.at(-1) === Number.POSITIVE_INFINITY && buckets.at(-1)!.value === count && sum !== undefined;
    if (!ascending || !cumulative || !whole || group.length !== buckets.length + 2)
      throw new Error(`${name} ${key}: not a whole histogram`);
  }
}
