// The status page: takes what the daemon says and has each part of the page shown anew, if it is about that part.
import { byId, chip, fill, h, setHidden } from "./dom.js";
import { createDrains } from "./drains.js";
import { createEvents } from "./events.js";
import { createFilter } from "./filter.js";
import { openLink } from "./link.js";
import { createServices } from "./services.js";
import { createStore } from "./store.js";
import { showBeside, showProblems, showSummary } from "./summary.js";
import { now, refreshTimes, setClock, timeElement } from "./times.js";
import { clockTime, wait } from "./words.js";

const store = createStore();
const services = createServices();
const drains = createDrains();
const events = createEvents();
const filter = createFilter(showFiltered);

/** When the daemon was last heard, by its own clock. */
let heardAt = now();

function showFiltered() {
  const by = filter.current();
  const { visible, all } = services.filter(by);
  filter.tell(visible, all);
  showProblems(store, by);
  showBeside(store, by);
  drains.update(store, by);
  events.update(store.events, by);
}

/** @param {import("../pieces.ts").Message} message */
function take(message) {
  setClock(message.now);
  heardAt = message.now;
  const changed = store.take(message);
  if (changed.size === 0 && message.events.length === 0 && !message.rate && !message.rates) return;
  services.update(store, changed);
  if (message.rate || message.rates) services.plot(store);
  showSummary(store);
  showFiltered();
}

/** @param {import("./link.js").LinkState} state */
function showLink(state) {
  if (document.body.dataset.link !== state.kind) document.body.dataset.link = state.kind;
  setHidden(byId("lost"), state.kind !== "lost");
  fill(
    byId("link"),
    chip(
      state.kind === "live"
        ? { word: "live", look: "ok" }
        : { word: state.kind === "lost" ? "not connected" : "connecting", look: "warn" },
    ),
  );
  if (state.kind !== "lost") return;
  const again = h("button", { type: "button" }, "Try now");
  again.addEventListener("click", () => link.retryNow());
  const shown = store.head ? `What is shown is as of then. ` : "";
  byId("lost").replaceChildren(
    h("strong", {}, `Connection lost since ${clockTime(heardAt)} `),
    h("span", {}, "(for ", timeElement(heardAt), `). ${shown}Trying again in ${wait(state.retryAt - Date.now())}.`),
    again,
  );
}

const link = openLink(take, showLink);

setInterval(() => {
  refreshTimes();
  drains.draw();
}, 1_000);
