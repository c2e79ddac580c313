// What things are called: pure functions from what the daemon says to the words and looks of the page. The same words as `director status`.

/** @typedef {import("../pieces.ts").ServerPiece} Server */
/** @typedef {import("../pieces.ts").ServicePiece} Service */
/** @typedef {import("../pieces.ts").DrainPiece} Drain */
/** @typedef {"ok" | "warn" | "bad" | "idle" | "hold" | "move"} Look Colour and icon; the word beside it says the same. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long something has lasted: `0s`, `59s`, `12m`, `3h12m`, `5d`. Rounded down; what seems to lie in the future is `0s`.
 *  @param {number} ms */
export function age(ms) {
  if (ms >= 2 * DAY) return `${Math.floor(ms / DAY)}d`;
  if (ms >= HOUR) {
    const minutes = Math.floor((ms % HOUR) / MINUTE);
    return `${Math.floor(ms / HOUR)}h${minutes === 0 ? "" : `${minutes}m`}`;
  }
  if (ms >= MINUTE) return `${Math.floor(ms / MINUTE)}m`;
  return `${Math.max(0, Math.floor(ms / SECOND))}s`;
}

/** How long something will still take: `12s`, `1m30s`, `2h5m`. Rounded up.
 *  @param {number} ms */
export function wait(ms) {
  const seconds = Math.max(0, Math.ceil(ms / SECOND));
  if (seconds < 60) return `${seconds}s`;
  if (seconds >= 3_600) return age(Math.ceil(seconds / 60) * MINUTE);
  return `${Math.floor(seconds / 60)}m${seconds % 60 === 0 ? "" : `${seconds % 60}s`}`;
}

/** 0 to 1 as `39.6%`, one decimal at most.
 *  @param {number} share */
export function percent(share) {
  return `${Math.round(share * 1000) / 10}%`;
}

/** `12,345`; a rate below ten keeps a decimal.
 *  @param {number} n */
export function count(n) {
  const rounded = Math.abs(n) < 10 ? Math.round(n * 10) / 10 : Math.round(n);
  return rounded.toLocaleString("en-US");
}

/** @param {number} n @param {string} one @param {string} [many] */
export function counted(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** `10:34:17` by the clock of the reader.
 *  @param {number} at */
export function clockTime(at) {
  const d = new Date(at);
  return [d.getHours(), d.getMinutes(), d.getSeconds()].map(two).join(":");
}

/** `2026-11-20 10:34:17` by the clock of the reader.
 *  @param {number} at */
export function dateTime(at) {
  const d = new Date(at);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clockTime(at)}`;
}

/** @param {number} n */
function two(n) {
  return String(n).padStart(2, "0");
}

/** The server's health.
 *  @param {Server} server
 *  @returns {{ readonly word: string, readonly look: Look }} */
export function stateOf({ state }) {
  switch (state) {
    case "up":
      return { word: "up", look: "ok" };
    case "presumed-up":
      return { word: "presumed up", look: "ok" };
    case "no-check":
      return { word: "no check", look: "idle" };
    case "unknown":
      return { word: "not probed", look: "warn" };
    case "down":
      return { word: "DOWN", look: "bad" };
  }
}

/** Rules by which a weight is not what the file says, and somebody may have to act. */
const NOTABLE = new Set(["down", "disabled", "state-lost", "fail-open", "agent-drain", "agent-maint", "reported-0"]);

/** What there is to say of a weight beside its number: the rule that bound it, and where the kernel's table differs.
 *  @param {Server} server
 *  @returns {readonly { readonly text: string, readonly look: Look | undefined }[]} */
export function weightNotes({ weight, configuredWeight, rule, kernelWeight, takenOut, disabled, override, reported }) {
  /** @type {{ text: string, look: Look | undefined }[]} */
  const notes = [];
  if (weight !== configuredWeight || NOTABLE.has(rule))
    notes.push({
      text: rule,
      look: rule === "down" || rule === "state-lost" ? "bad" : NOTABLE.has(rule) ? "warn" : undefined,
    });
  if (disabled) notes.push({ text: `by ${disabled.by}${because(disabled.reason)}`, look: undefined });
  if (override) notes.push({ text: `set by ${override.by}${because(override.reason)}`, look: undefined });
  if (reported !== undefined) notes.push({ text: `server says: ${reported}`, look: undefined });
  if (takenOut !== undefined) notes.push({ text: `taken out: ${takenOut}`, look: "warn" });
  else if (kernelWeight === undefined) notes.push({ text: "not in the table", look: weight > 0 ? "warn" : undefined });
  else if (kernelWeight !== weight) notes.push({ text: `kernel has ${kernelWeight}`, look: "warn" });
  return notes;
}

/** @param {string | undefined} reason */
function because(reason) {
  return reason === undefined ? "" : `: ${reason}`;
}

/** The check that matters: a failing one before one that could not ask before one that passes.
 *  @param {Server} server
 *  @returns {{ readonly text: string, readonly look: Look | undefined, readonly at: number | undefined, readonly more: string } | undefined} */
export function checkOf({ checks, probes }) {
  const [first] = checks.map((check, i) => ({ check, probe: probes[i] })).sort((a, b) => rank(a.check) - rank(b.check));
  if (first === undefined) return undefined;
  const { check, probe } = first;
  const marks = [...(check.unchecked ? ["UNCHECKED"] : []), ...(check.unproven ? ["unproven"] : [])];
  const which = checks.length === 1 ? "" : `${check.check}: `;
  const more = checks
    .map((each) => `${each.check}: ${each.last ?? "none yet"}${each.detail ? ` (${each.detail})` : ""}`)
    .join("\n");
  // A pass needs no words, unless something else is wrong with it.
  const why = check.detail && check.last !== "pass" ? `: ${check.detail}` : "";
  const text = `${marks.map((mark) => `${mark}, `).join("")}${which}${check.last ?? "none yet"}${why}`;
  /** @type {Look | undefined} */
  const look = check.last === "fail" ? "bad" : check.last !== "pass" || marks.length > 0 ? "warn" : undefined;
  // JSON has null where a probe has not ended yet.
  return { text, look, at: probe ?? undefined, more };
}

/** @param {Server["checks"][number]} check */
function rank(check) {
  if (check.last === "fail" || check.state === "down") return 0;
  if (check.last === "inconclusive" || check.unchecked) return 1;
  if (check.last === undefined || check.unproven) return 2;
  return 3;
}

/** Whether somebody should look at it.
 *  @param {Server} server */
export function isTrouble(server) {
  const { state, rule, override, disabled, checks } = server;
  if (state === "down" || state === "unknown" || disabled || override || NOTABLE.has(rule)) return true;
  return weightNotes(server).some(({ look }) => look !== undefined) || checks.some((check) => check.unchecked);
}

/** The service as a whole.
 *  @param {Service} service
 *  @returns {{ readonly word: string, readonly look: Look }} */
export function serviceState({ up, failOpen, trouble, frozen, sorryServer }) {
  if (failOpen) return { word: "failing open", look: "bad" };
  if (sorryServer?.serves) return { word: "sorry server serves", look: "bad" };
  if (!up || trouble !== undefined) return { word: "DOWN", look: "bad" };
  if (frozen) return { word: "up, frozen", look: "hold" };
  return { word: "up", look: "ok" };
}

/** @param {Drain["state"]} state */
export function isRunning(state) {
  return state === "pending" || state === "shifting" || state === "paused" || state === "draining";
}

/** @param {Drain} drain */
export function route({ from, to }) {
  return `${from.join(", ")} → ${to.length === 0 ? "the rest" : to.join(", ")}`;
}

/** Where a drain stands, and what it waits for.
 *  @param {Drain} drain
 *  @param {number} now
 *  @returns {{ readonly word: string, readonly text: string, readonly look: Look }} */
export function standing({ state, step, steps, nextAt, pausedBy, connections, from, left }, now) {
  const next = nextAt === undefined ? "" : wait(nextAt - now);
  const at = `step ${step} of ${steps}`;
  switch (state) {
    case "pending":
      return { word: "pending", text: "waits for the new to be healthy; nothing has changed", look: "move" };
    case "shifting":
      return { word: "shifting", text: next === "" ? at : `${at}, the next in ${next}`, look: "move" };
    case "paused":
      return { word: `paused (${pausedBy ?? "operator"})`, text: at, look: "warn" };
    case "draining": {
      const open = connections === undefined ? "open connections" : counted(connections, "open connection");
      const most = next === "" ? "" : `, ${next} at most`;
      return { word: "draining", text: `all moved; waits for ${open} on ${from.join(", ")}${most}`, look: "move" };
    }
    case "done":
      return {
        word: "done",
        text: left ? `its grace is over with ${counted(left, "connection")} left` : "no connection left",
        look: "ok",
      };
    case "rolled-back":
      return { word: "rolled back", text: `the weights of before; it had reached ${at}`, look: "warn" };
    case "aborted":
      return { word: "aborted", text: `at ${at}; the shares stand`, look: "warn" };
    case "failed":
      return { word: "failed", text: "nothing was changed", look: "bad" };
  }
}
