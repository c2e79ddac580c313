// A server: a row of its service's table, on a phone a card. Made once, then kept up to date in place.
import { chip, fill, h, setAttribute, setHidden, setText } from "./dom.js";
import { setTime, timeElement } from "./times.js";
import { checkOf, count, isTrouble, percent, stateOf, weightNotes } from "./words.js";

/** @typedef {import("./words.js").Server} Server */
/** @typedef {{ readonly weight: number, readonly configured: number }} Greatest What the longest bar stands for. */

/** What never stands still: with a thousand servers these change every few seconds, and everything else hardly ever. */
const RESTLESS = new Set(["active", "inactive", "probes"]);

/** @typedef {ReturnType<typeof createRow>} Row */

export function createRow() {
  const name = h("strong");
  const address = h("span.muted");
  const state = h("div.cell.state", { role: "cell" });
  const fillBar = h("span.fill");
  const mark = h("span.mark");
  const bar = h("span.bar", { "aria-hidden": "true" }, fillBar, mark);
  const numbers = h("span.numbers", { title: "in force / configured" });
  const notes = h("span.rules");
  const active = h("span.active");
  const inactive = h("span.muted");
  const check = h("span");
  const checkTime = timeElement(0);
  const checkAge = h("span.muted", {}, checkTime, " ago");
  const element = h(
    "div.row.server",
    { role: "row" },
    h("div.cell.name", { role: "cell" }, name, address),
    state,
    h("div.cell.weight", { role: "cell" }, bar, numbers, notes),
    h("div.cell.open", { role: "cell" }, active, inactive),
    h("div.cell.check", { role: "cell" }, check, checkAge),
  );
  /** @type {Server | undefined} */
  let shown;
  let scale = "";
  let hay = "";

  /** @param {Server} server */
  function showCounts(server) {
    setText(active, server.active === undefined ? "–" : count(server.active));
    setText(inactive, server.inactive ? `+${count(server.inactive)} closing` : "");
    const at = checkOf(server)?.at;
    setHidden(checkAge, at === undefined);
    if (at !== undefined) setTime(checkTime, at);
  }

  /** @param {Server} server @param {Greatest} most */
  function showWeight(server, most) {
    const { weight, configuredWeight, rule } = server;
    fillBar.style.width = percent(weight / most.weight);
    mark.style.left = percent(configuredWeight / most.configured);
    setHidden(mark, weight / most.weight === configuredWeight / most.configured);
    const stands = "the line is where the configured weight stands";
    setAttribute(bar, "title", `weight ${weight} in force, ${configuredWeight} configured; ${stands}`);
    setAttribute(fillBar, "data-rule", rule);
    setText(numbers, weight === configuredWeight ? count(weight) : `${count(weight)} / ${count(configuredWeight)}`);
    fill(notes, ...weightNotes(server).map(({ text, look }) => h(`span.rule${look ? `.${look}` : ""}`, {}, text)));
  }

  /** @param {Server} server */
  function showHealth(server) {
    const health = stateOf(server);
    const last = checkOf(server);
    fill(state, chip(health), ...(server.since === undefined ? [] : [h("span.muted", {}, timeElement(server.since))]));
    setAttribute(element, "data-look", isTrouble(server) ? (health.look === "bad" ? "bad" : "warn") : undefined);
    setText(check, last?.text ?? "–");
    setAttribute(check, "class", last ? last.look : "muted");
    setAttribute(check, "title", last?.more);
    const rules = weightNotes(server).map(({ text }) => text);
    hay = [server.name, server.address, health.word, server.reason, server.rule, last?.text, ...rules].join(" ");
  }

  return {
    element,
    /** @param {Server} server @param {Greatest} most */
    update(server, most) {
      const scaled = `${most.weight}/${most.configured}`;
      const calm = shown !== undefined && scaled === scale && onlyRestless(shown, server);
      shown = server;
      scale = scaled;
      showCounts(server);
      if (calm) return;
      setText(name, server.name);
      // A server is often named by its address.
      setText(address, server.name === server.address ? "" : server.address);
      showHealth(server);
      showWeight(server, most);
    },
    /** @param {import("./filter.js").Filter} filter @param {readonly (string | undefined)[]} own what is said of the whole service */
    filter(filter, own) {
      const visible = shown !== undefined && filter.matches(...own, hay) && (!filter.onlyProblems || isTrouble(shown));
      setHidden(element, !visible);
      return visible;
    },
  };
}

/** Whether nothing but what never stands still differs. Fields that were not sent anew are the very same.
 *  @param {Server} before @param {Server} after */
function onlyRestless(before, after) {
  const [old, fresh] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  const fields = new Set([...old.keys(), ...fresh.keys()]);
  return [...fields].every((field) => RESTLESS.has(field) || old.get(field) === fresh.get(field));
}
