// Plots as SVG: the rate of new connections, and the way of a drain.
import { svg } from "./dom.js";
import { age, clockTime, count, isRunning, percent } from "./words.js";

/** @typedef {import("../pieces.ts").DrainPiece} Drain */

/** What is shown grows with what is known. */
const LEAST_SPAN_MS = 60_000;
const MOST_SPAN_MS = 600_000;
const RATE_WIDTH = 160;
const RATE_HEIGHT = 26;
/** Two samples further apart than this have a gap between them: nobody looked. */
const GAP_MS = 20_000;

/** New connections a second over the last ten minutes at most.
 *  @param {readonly number[]} at @param {readonly (number | null)[]} values @param {number} now */
export function rateline(at, values, now) {
  const points = at
    .map((t, i) => ({ t, value: values[i] ?? null }))
    .filter((p) => p.value !== null && p.t >= now - MOST_SPAN_MS);
  const span = Math.max(LEAST_SPAN_MS, now - (points[0]?.t ?? now));
  const most = Math.max(1, ...points.map((p) => p.value ?? 0));
  const last = points.at(-1)?.value ?? 0;
  const x = (/** @type {number} */ t) => RATE_WIDTH * (1 - (now - t) / span);
  const y = (/** @type {number} */ value) => RATE_HEIGHT - 1 - (RATE_HEIGHT - 3) * (value / most);
  let line = "";
  let area = "";
  let before;
  for (const { t, value } of points) {
    const to = `${x(t).toFixed(1)} ${y(value ?? 0).toFixed(1)}`;
    const joined = before !== undefined && t - before <= GAP_MS;
    if (!joined && before !== undefined) area += `V${RATE_HEIGHT}Z`;
    line += `${joined ? "L" : "M"}${to}`;
    area += joined ? `L${to}` : `M${x(t).toFixed(1)} ${RATE_HEIGHT}L${to}`;
    before = t;
  }
  if (before !== undefined) area += `L${x(before).toFixed(1)} ${RATE_HEIGHT}Z`;
  const label = `new connections a second over the last ${age(span)}: ${count(last)} now, ${count(most)} at most`;
  return svg(
    "svg",
    {
      class: "rateline",
      viewBox: `0 0 ${RATE_WIDTH} ${RATE_HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": label,
    },
    svg("title", {}, label),
    svg("path", { class: "floor", d: `M0 ${RATE_HEIGHT - 0.5}H${RATE_WIDTH}` }),
    svg("path", { class: "under", d: area }),
    svg("path", { class: "line", d: line }),
  );
}

const HEIGHT = 132;
const LEFT = 38;
const RIGHT = 12;
const TOP = 16;
const BOTTOM = 20;

/** The planned steps, the share that was given so far, and where it stands.
 *  @param {Drain} drain @param {number} width in pixels @param {number} now */
export function drainPlot(drain, width, now) {
  const { plan, history, startedAt, endedAt, state, nextAt } = drain;
  const running = isRunning(state);
  const begun = history.find(({ asked }) => asked > 0)?.at;
  // Seen from its start on, the plan begins with the first step; else with the drain.
  const whole = (history[0]?.at ?? now) - startedAt < 5_000;
  const base = whole ? (begun ?? (running ? now : startedAt)) : startedAt;
  const from = Math.min(startedAt, history[0]?.at ?? startedAt);
  const planEnd = base + (plan.at(-1)?.at ?? 0);
  const last = history.at(-1)?.at ?? 0;
  const end = running ? now : Math.max(endedAt ?? last, last);
  const to =
    Math.max(planEnd, end, state === "shifting" ? (nextAt ?? 0) : 0, from + 1_000) + Math.max(500, (end - from) * 0.06);
  const right = width - RIGHT;
  const x = (/** @type {number} */ t) => LEFT + ((right - LEFT) * (t - from)) / (to - from);
  const y = (/** @type {number} */ share) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.min(1, Math.max(0, share)));
  const p = (/** @type {number} */ n) => n.toFixed(1);

  const grid = [0, 0.5, 1].flatMap((share) => [
    svg("path", { class: "grid", d: `M${LEFT} ${p(y(share))}H${p(right)}` }),
    svg("text", { class: "axis", x: LEFT - 6, y: p(y(share) + 4), "text-anchor": "end" }, percent(share)),
  ]);
  const planned = plan.reduce(
    (d, { at, asked }) => `${d}H${p(x(base + at))}V${p(y(asked))}`,
    `M${p(x(from))} ${p(y(0))}`,
  );
  const pauses = plan
    .filter(({ pause }) => pause)
    .map(({ at, asked }) =>
      svg(
        "circle",
        { class: "pause", cx: p(x(base + at)), cy: p(y(asked)), r: 4 },
        svg("title", {}, "waits here for resume"),
      ),
    );
  const spans = history.flatMap((point, i) => {
    const name = point.state === "paused" ? "paused" : point.state === "draining" ? "waiting" : undefined;
    if (name === undefined) return [];
    const until = history[i + 1]?.at ?? end;
    const left = x(point.at);
    return [
      svg("rect", {
        class: name,
        x: p(left),
        y: TOP,
        width: p(Math.max(1, x(until) - left)),
        height: HEIGHT - TOP - BOTTOM,
      }),
    ];
  });
  let given = whole && history.length > 0 ? `M${p(x(from))} ${p(y(0))}` : "";
  let share = 0;
  for (const point of history) {
    // What was moved is given back in the moment it is over without a result.
    share = point.given ?? (point.state === "rolled-back" || point.state === "failed" ? 0 : share);
    given += given === "" ? `M${p(x(point.at))} ${p(y(share))}` : `H${p(x(point.at))}V${p(y(share))}`;
  }
  if (given !== "") given += `H${p(x(end))}`;
  const area = given === "" ? "" : `${given}V${p(y(0))}H${p(x(whole ? from : (history[0]?.at ?? from)))}Z`;
  const marker = running ? "now" : state.replace("-", " ");
  const nearRight = x(end) > right - 60;
  const text = `planned in ${plan.length} steps to ${percent(plan.at(-1)?.asked ?? 1)}; given ${percent(share)} by ${clockTime(end)}, ${marker}`;
  return svg(
    "svg",
    {
      class: `drainplot ${state}`,
      viewBox: `0 0 ${width} ${HEIGHT}`,
      width,
      height: HEIGHT,
      role: "img",
      "aria-label": text,
    },
    svg("title", {}, text),
    ...grid,
    ...spans,
    svg("path", { class: "area", d: area }),
    svg("path", { class: "planned", d: planned }),
    svg("path", { class: "given", d: given }),
    ...pauses,
    svg("path", { class: "now", d: `M${p(x(end))} ${TOP - 4}V${HEIGHT - BOTTOM}` }),
    svg(
      "text",
      {
        class: "axis now",
        x: p(x(end) + (nearRight ? -4 : 4)),
        y: TOP - 6 + 4,
        "text-anchor": nearRight ? "end" : "start",
      },
      marker,
    ),
    svg("text", { class: "axis", x: LEFT, y: HEIGHT - 5 }, clockTime(from)),
    svg("text", { class: "axis", x: p(right), y: HEIGHT - 5, "text-anchor": "end" }, clockTime(to)),
  );
}
