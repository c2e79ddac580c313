import type { DrainStatus } from "../control/shapes.ts";
import type { DrainPlan } from "../director/plan.ts";
import { assertNever } from "../model/result.ts";
import { formatDuration } from "../model/time.ts";
import { type Cell, columns } from "./columns.ts";
import { pace, route } from "./drain-text.ts";
import type { Paint } from "./output.ts";
import { percent, wait } from "./times.ts";

/** What a dry run answers: the drain as it would begin, and what it would do. */
export type Planned = DrainStatus & DrainPlan;

interface Look {
  readonly paint: Paint;
  readonly width: number | undefined;
}

/** Of servers that take no part this many have a column of their own. */
const MOST_OTHERS = 4;

/** A dry run: for each service every step with its time, shares and weights, and what stands against it. */
export function planText(drains: readonly Planned[], look: Look): readonly string[] {
  const [first] = drains;
  const together =
    first?.parent === undefined
      ? []
      : [
          `machine ${first.parent.host}: ${drains.length} ${drains.length === 1 ? "service" : "services"}; all of them or none`,
          "",
        ];
  return [...together, ...drains.flatMap((drain) => [...servicePlan(drain, look), ""]), "dry run: nothing was changed"];
}

function servicePlan(drain: Planned, { paint, width }: Look): readonly string[] {
  const { plan, warnings, sysctls, rate, service, ttlLeftMs } = drain;
  const last = drain.steps === 1 ? "" : `; the last after ${formatDuration(plan.at(-1)?.at ?? 0)}`;
  const undone = ttlLeftMs === undefined ? "" : `; undoes itself after ${wait(ttlLeftMs)}`;
  return [
    `${paint("bold", service)}: ${route(drain)}: ${pace(drain)}${last}; then waits for open connections${undone}`,
    ...(rate === undefined ? [] : [`at present ${Math.round(rate * 10) / 10} new connections a second`]),
    ...warnings.map((warning) => `${paint("yellow", "warning")}: ${warning}`),
    ...sysctls.map(sysctlLine),
    ...table(drain, paint, width),
  ];
}

function sysctlLine({ name, value, consequence }: DrainPlan["sysctls"][number]): string {
  return `${name}${value === undefined ? "" : ` = ${value}`}: ${consequence}`;
}

type Column =
  | { readonly kind: "server"; readonly name: string }
  | { readonly kind: "rest"; readonly names: readonly string[] };

function table(drain: Planned, paint: Paint, width: number | undefined): readonly string[] {
  const { plan } = drain;
  const shown = serverColumns(drain, Object.keys(plan[0]?.weights ?? {}));
  const names = ["after", "asked", "given", ...shown.map(titleOf), "wrr cycle"];
  const heading = names.map((text): Cell => ({ text, style: "dim" }));
  const rows = plan.map(({ at, asked, given, weights, cycle, pause }) => [
    formatDuration(at),
    percent(asked),
    given === undefined ? "-" : percent(given),
    ...shown.map((column) => String(weightOf(column, weights))),
    `${cycle}${pause ? "  then waits for resume" : ""}`,
  ]);
  const right = new Set(names.slice(0, -1).keys());
  return columns([heading, ...rows], { paint, indent: "  ", right, width });
}

/** Who takes part first; of many others only the sum. */
function serverColumns({ from, to }: DrainStatus, all: readonly string[]): readonly Column[] {
  const partners = [...from, ...to];
  const others = all.filter((name) => !partners.includes(name));
  const own = (names: readonly string[]) => names.map((name): Column => ({ kind: "server", name }));
  if (others.length <= MOST_OTHERS) return own([...partners, ...others]);
  return [...own(partners), { kind: "rest", names: others }];
}

function titleOf(column: Column): string {
  switch (column.kind) {
    case "server":
      return column.name;
    case "rest":
      return `${column.names.length} others`;
    default:
      return assertNever(column);
  }
}

function weightOf(column: Column, weights: Readonly<Record<string, number>>): number {
  const names = column.kind === "server" ? [column.name] : column.names;
  return names.reduce((sum, name) => sum + (weights[name] ?? 0), 0);
}
