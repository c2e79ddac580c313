// What happened, the latest first.
import { byId, chip, h, setChildren, setHidden } from "./dom.js";
import { clockTime, dateTime } from "./words.js";

/** @typedef {import("../../director/events.ts").DirectorEvent} DirectorEvent */

/** What somebody reads here; the rest is a matter for `director events`. */
const MOST_LINES = 40;

export function createEvents() {
  const root = byId("events");
  const list = h("ol");
  root.append(h("h2", {}, "Recent events"), list);
  /** @type {Map<number, HTMLElement>} */
  const lines = new Map();

  return {
    /** @param {readonly DirectorEvent[]} events oldest first @param {import("./filter.js").Filter} filter */
    update(events, filter) {
      const kept = new Set(events.map(({ seq }) => seq));
      for (const seq of lines.keys()) if (!kept.has(seq)) lines.delete(seq);
      const shown = events
        .filter(({ message, service, server, address, kind, severity }) =>
          filter.matches(message, service, server, address, kind, severity),
        )
        .filter(({ severity }) => !filter.onlyProblems || severity !== "info")
        .slice(-MOST_LINES)
        .reverse();
      setHidden(root, shown.length === 0);
      const wanted = shown.map((event) => {
        const line = lines.get(event.seq) ?? lineOf(event);
        lines.set(event.seq, line);
        return line;
      });
      setChildren(list, wanted);
    },
  };
}

/** @param {DirectorEvent} event */
function lineOf({ seq, at, severity, message }) {
  const look = severity === "error" ? "bad" : severity === "warning" ? "warn" : "idle";
  return h(
    "li",
    { "data-seq": String(seq) },
    h("time", { datetime: new Date(at).toISOString(), title: dateTime(at) }, clockTime(at)),
    chip({ word: severity, look }),
    h("span", {}, message),
  );
}
