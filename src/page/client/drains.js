// Drains: where each stands, what it waits for, and its way so far beside the way that was planned.
import { byId, chip, fill, h, icon, setChildren, setHidden } from "./dom.js";
import { drainPlot } from "./plot.js";
import { now, timeElement } from "./times.js";
import { counted, isRunning, percent, route, standing, wait } from "./words.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./words.js").Drain} Drain */

export function createDrains() {
  const root = byId("drains");
  const cards = h("div.cards");
  const ended = h("ul.ended");
  const rest = h("details.ended", {}, h("summary", {}, "Ended drains"), ended);
  root.append(h("h2", {}, "Drains"), cards, rest);
  /** @type {Map<string, ReturnType<typeof createCard>>} */
  const known = new Map();
  const resized = new ResizeObserver(() => draw());
  resized.observe(cards);
  /** @type {readonly Drain[]} */
  let shown = [];

  function draw() {
    for (const drain of shown) known.get(drain.id)?.draw(drain);
  }

  return {
    /** @param {Store} store @param {import("./filter.js").Filter} filter */
    update(store, filter) {
      const drains = store.drains.filter((drain) =>
        filter.matches(
          drain.id,
          drain.service,
          ...drain.from,
          ...drain.to,
          drain.state,
          drain.reason,
          drain.actor,
          drain.message,
        ),
      );
      drains.sort((a, b) => Number(isRunning(b.state)) - Number(isRunning(a.state)) || b.startedAt - a.startedAt);
      // The last that ended stays in sight as long as an hour: somebody may be looking at it.
      const fresh = drains.filter(
        (drain, i) => isRunning(drain.state) || (i < 4 && (drain.endedAt ?? 0) > now() - 3_600_000),
      );
      shown = fresh;
      for (const id of known.keys()) if (!fresh.some((drain) => drain.id === id)) known.delete(id);
      for (const drain of fresh) if (!known.has(drain.id)) known.set(drain.id, createCard());
      setHidden(root, drains.length === 0);
      setChildren(
        cards,
        fresh.flatMap(({ id }) => known.get(id)?.element ?? []),
      );
      for (const drain of fresh) known.get(drain.id)?.update(drain);
      draw();
      const old = drains.filter((drain) => !fresh.includes(drain));
      setHidden(rest, old.length === 0);
      fill(ended, ...old.map(line));
    },
    /** Time goes on. */
    draw,
  };
}

/** @param {Drain} drain */
function line(drain) {
  const { word, text, look } = standing(drain, now());
  const stands = drain.stands && drain.state !== "done" ? "" : drain.stands ? "; the shares stand" : "";
  return h(
    "li",
    {},
    chip({ word, look }),
    ` ${drain.service}: ${route(drain)} `,
    h("span.muted", {}, `${drain.id}: ${text}${stands}`),
  );
}

/** What the daemon says of it, less what stands above: `drain d-1 old -> new: rolled back (by alice)`.
 *  @param {Drain} drain */
function why({ message }) {
  return message.slice(message.indexOf(": ") + 2);
}

function createCard() {
  const title = h("header");
  const said = h("p.standing");
  const plot = h("div.plot");
  const facts = h("p.muted");
  const notes = h("div.notes");
  const element = h("article.drain", {}, title, said, plot, facts, notes);
  return {
    element,
    /** @param {Drain} drain */
    update(drain) {
      const { look, word } = standing(drain, now());
      element.setAttribute("data-id", drain.id);
      element.setAttribute("data-state", drain.state);
      element.setAttribute("aria-label", `Drain ${drain.id} of ${drain.service}`);
      fill(
        title,
        h("h3", {}, `${drain.service}: ${route(drain)}`),
        chip({ word, look }),
        h("code.muted", {}, drain.id),
        drain.parent && h("span.muted", {}, `machine ${drain.parent.host} (${drain.parent.id})`),
      );
      const running = isRunning(drain.state);
      const back = drain.state === "rolled-back" || drain.state === "failed";
      const { asked, given = back ? 0 : undefined, templates, inactive, connections, from } = drain;
      fill(
        facts,
        h("span.legend.given", {}, `given ${given === undefined ? "–" : percent(given)}`),
        h("span.legend.planned", {}, running ? `planned ${percent(asked)}` : "planned"),
        connections !== undefined &&
          isRunning(drain.state) &&
          h("span", {}, `${counted(connections, "open connection")} on ${from.join(", ")}`),
        Boolean(inactive) && running && h("span", {}, `${inactive} closing`),
        Boolean(templates) && h("span", {}, counted(templates ?? 0, "persistence template")),
        h("span", {}, `${counted(drain.steps, "step")}${drain.steps > 1 ? `, one every ${wait(drain.every)}` : ""}`),
        h(
          "span",
          {},
          "begun ",
          timeElement(drain.startedAt),
          ` ago by ${drain.actor}${drain.reason ? `: ${drain.reason}` : ""}`,
        ),
        drain.undoneAt !== undefined && h("span", {}, "undoes itself in ", timeElement(drain.undoneAt, "until")),
      );
      fill(
        notes,
        ...(drain.state === "paused" ||
        drain.state === "rolled-back" ||
        drain.state === "failed" ||
        drain.state === "aborted"
          ? [h("p.warn", {}, icon("warn"), why(drain))]
          : []),
        ...drain.warnings.map((warning) => h("p.warn", {}, icon("warn"), warning)),
      );
    },
    /** @param {Drain} drain */
    draw(drain) {
      fill(said, standing(drain, now()).text);
      const width = Math.floor(plot.clientWidth);
      if (width > 0) fill(plot, drainPlot(drain, width, now()));
    },
  };
}
