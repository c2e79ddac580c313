// Draws docs/drain-shares.svg: shares asked and given over time, for rounded percentages and for director's weights.
//   node bench/drain-shares.ts
// Nothing in it is random or measured: the same file comes out everywhere.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { director, naive, offBy, type Sample, type Scenario, simulate, type Weighting } from "./wrr-simulation.ts";

const SCENARIO: Scenario = { old: 70, others: [90], steps: 20, everySec: 30, rate: 5, window: 50 };

const WIDTH = 860;
const LEFT = 58;
const RIGHT = 20;
/** Of one panel: its heading, the plot, and the room below. */
const HEAD = 46;
const PLOT = 190;
const GAP = 26;
const TOP_SHARE = 0.6;
const MINUTES = (SCENARIO.everySec * (SCENARIO.steps + 1)) / 60;

const STYLE = `
  .paper { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, -apple-system, "DejaVu Sans", sans-serif }
  .head { font-weight: 600; font-size: 14px } .small { fill: #59636e; font-size: 12px }
  .grid { stroke: #d1d9e0; stroke-width: 1 } .line { fill: none; stroke-width: 1.6; stroke-linejoin: round }
  .asked { stroke: #1f2328; stroke-width: 1.4; stroke-dasharray: 5 3 } .naive { stroke: #bc4c00 } .director { stroke: #0969da }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d }
    .asked { stroke: #f0f6fc } .naive { stroke: #f0883e } .director { stroke: #58a6ff }
  }`;

const x = (sec: number): number => LEFT + (sec / 60 / MINUTES) * (WIDTH - LEFT - RIGHT);
const y = (share: number): number => PLOT * (1 - share / TOP_SHARE);
const short = (n: number): string => String(Math.round(n * 10) / 10);

/** The whole drawing, as text. */
export function drawing(): string {
  const { old, others, everySec, steps, rate, window } = SCENARIO;
  const panels = [
    panel("naive", "The configured weights in rounded percentages", naive),
    panel("director", "The weights that director writes", director),
  ];
  const about = `A server of weight ${old} drained to a new one beside another of weight ${others.join(", ")}: ${steps} steps of ${everySec} s, ${rate} new connections a second`;
  const bottom = 30 + panels.length * (HEAD + PLOT + GAP);
  const height = bottom + 34;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="t d">`,
    `<title id="t">Share of new connections that go to the new server during a drain, asked and given</title>`,
    `<desc id="d">${about}. With rounded percentages the given share swings around the asked one; with director's weights it stays close.</desc>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}" rx="6"/>`,
    `<text x="${LEFT}" y="24" class="small">${about}</text>`,
    ...panels.flatMap((lines, i) => [`<g transform="translate(0 ${34 + i * (HEAD + PLOT + GAP)})">`, ...lines, "</g>"]),
    `<text x="${x(MINUTES * 30)}" y="${bottom + 20}" text-anchor="middle" class="small">minutes since the start of the drain</text>`,
    `<text transform="translate(16 ${34 + (bottom - 34) / 2}) rotate(-90)" text-anchor="middle" class="small">share of new connections that go to the new server, in the last ${window}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function panel(name: string, title: string, weighting: Weighting): readonly string[] {
  const samples = simulate(SCENARIO, weighting);
  const { worst, mean } = offBy(SCENARIO, samples);
  const lines = [
    `<text x="${LEFT}" y="20" class="head">${title}</text>`,
    `<text x="${LEFT}" y="37" class="small">off by up to ${short(worst)} points, ${short(mean)} on average</text>`,
    ...legend(name),
    `<g transform="translate(0 ${HEAD})">`,
  ];
  for (let share = 0; share <= TOP_SHARE + 1e-9; share += 0.1) {
    lines.push(`<path class="grid" d="M${LEFT} ${short(y(share))}H${WIDTH - RIGHT}"/>`);
    lines.push(
      `<text x="${LEFT - 8}" y="${short(y(share) + 4)}" text-anchor="end" class="small">${Math.round(share * 100)}%</text>`,
    );
  }
  for (let minute = 0; minute <= MINUTES; minute++)
    lines.push(
      `<text x="${short(x(minute * 60))}" y="${PLOT + 17}" text-anchor="middle" class="small">${minute}</text>`,
    );
  lines.push(
    `<path class="line ${name}" d="${given(samples)}"/>`,
    `<path class="line asked" d="${asked(samples)}"/>`,
    "</g>",
  );
  return lines;
}

function legend(name: string): readonly string[] {
  return [
    ["asked", "asked", WIDTH - 190],
    [name, "given", WIDTH - 95],
  ].flatMap(([style, text, at]) => [
    `<path class="line ${style}" d="M${at} 16h30"/>`,
    `<text x="${Number(at) + 36}" y="20">${text}</text>`,
  ]);
}

/** One point a second, from when the window is full. */
function given(samples: readonly Sample[]): string {
  const { rate, window } = SCENARIO;
  const points = samples.filter((_, i) => i >= window && i % rate === rate - 1);
  return points.map(({ sec, given }, i) => `${i === 0 ? "M" : "L"}${short(x(sec))} ${short(y(given))}`).join("");
}

function asked(samples: readonly Sample[]): string {
  let path = "";
  let before: number | undefined;
  for (const { sec, asked } of samples) {
    if (asked === before) continue;
    path += before === undefined ? `M${short(x(sec))} ${short(y(asked))}` : `H${short(x(sec))}V${short(y(asked))}`;
    before = asked;
  }
  return `${path}H${WIDTH - RIGHT}`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "../docs/drain-shares.svg"), drawing());
