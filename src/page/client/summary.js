// How it stands, in one look: a word for all of it, numbers, and what is wrong.
import { byId, chip, fill, h, icon, setHidden } from "./dom.js";
import { timeElement } from "./times.js";
import { count, counted, isRunning } from "./words.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./words.js").Look} Look */

/** @param {Store} store
 *  @returns {{ readonly word: string, readonly look: Look }} */
function overall({ head, problems }) {
  if (!problems || !head) return { word: "connecting", look: "idle" };
  const parts = [
    ...(problems.errors > 0 ? [counted(problems.errors, "error")] : []),
    ...(problems.warnings > 0 ? [counted(problems.warnings, "warning")] : []),
  ];
  if (parts.length > 0) return { word: parts.join(", "), look: problems.errors > 0 ? "bad" : "warn" };
  return head.ready ? { word: "All well", look: "ok" } : { word: "Starting", look: "warn" };
}

/** @param {Store} store */
export function showSummary(store) {
  const { head, drains, layout } = store;
  if (!head) return;
  const state = overall(store);
  const servers = layout.flatMap((service) => store.serversOf(service));
  const services = layout.flatMap(({ name }) => store.service(name) ?? []);
  const serving = servers.filter(({ weight }) => weight > 0).length;
  const down = servers.filter(({ state }) => state === "down").length;
  const disabled = servers.filter((server) => server.disabled).length;
  const open = servers.reduce((sum, { active }) => sum + (active ?? 0), 0);
  const closing = servers.reduce((sum, { inactive }) => sum + (inactive ?? 0), 0);
  const rate = layout.reduce((sum, { name }) => sum + (store.rates(name).values.at(-1) ?? 0), 0);
  const running = drains.filter((drain) => isRunning(drain.state));
  const paused = running.filter((drain) => drain.state === "paused").length;
  const idle =
    servers.length -
    serving -
    servers.filter((server) => server.weight === 0 && (server.state === "down" || server.disabled)).length;
  const notes = [
    ...(down > 0 ? [`${count(down)} down`] : []),
    ...(disabled > 0 ? [`${count(disabled)} disabled`] : []),
    ...(idle > 0 ? [`${count(idle)} at weight 0`] : []),
  ];
  fill(
    byId("summary"),
    h(`div.overall.${state.look}`, { role: "status" }, icon(state.look), h("h1", {}, state.word)),
    h(
      "dl.tiles",
      {},
      tile("services up", of(services.filter((service) => service.up).length, services.length)),
      tile("servers serving", of(serving, servers.length), notes.join(", ")),
      tile("connections", count(open), closing > 0 ? `${count(closing)} closing` : ""),
      tile("new connections", `${count(rate)}/s`),
      tile("drains under way", count(running.length), paused > 0 ? `${count(paused)} paused` : ""),
      tile(
        "table",
        head.inSync ? "in sync" : h("span.bad", {}, icon("bad"), " NOT IN SYNC"),
        ...readAgo(head.lastSuccessAt),
      ),
    ),
  );
  fill(byId("host"), head.host);
  fill(
    byId("facts"),
    ...(head.mode === "observe" ? [chip({ word: "observe mode: nothing is written", look: "hold" })] : []),
    ...(head.ready ? [] : [chip({ word: "starting", look: "warn" })]),
    ...head.frozen.map(({ service, until }) =>
      h("span.chip.hold", {}, icon("hold"), `frozen: ${service ?? "everything"}, for `, timeElement(until, "until")),
    ),
    h("span", {}, `${head.version}, up `, timeElement(head.startedAt)),
    h("span", {}, h("code", {}, head.file), " loaded ", timeElement(head.loadedAt), " ago"),
  );
  const host = head.host.split(".")[0];
  document.title = state.look === "ok" ? `${host} – director` : `${state.word} – ${host} – director`;
  showIcon(state.look);
}

/** @param {number} n @param {number} all */
function of(n, all) {
  return n === all ? count(n) : `${count(n)} of ${count(all)}`;
}

/** @param {string} name @param {Node | string} value @param {...(Node | string)} note */
function tile(name, value, ...note) {
  return h("div.tile", {}, h("dt", {}, name), h("dd", {}, value), h("dd.note", {}, ...note));
}

/** @param {number | undefined} at */
function readAgo(at) {
  return at === undefined ? ["never read"] : ["read ", timeElement(at), " ago"];
}

/** @param {Look} look */
function showIcon(look) {
  const colour = { ok: "#1a7f45", warn: "#b97800", bad: "#c62f2f", idle: "#6b7785", hold: "#6b7785", move: "#1f62c4" }[
    look
  ];
  const image = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${colour}"/></svg>`;
  const href = `data:image/svg+xml,${encodeURIComponent(image)}`;
  const link = byId("icon");
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
}

/** @param {Store} store @param {import("./filter.js").Filter} filter */
export function showProblems({ problems }, filter) {
  const all = problems?.list ?? [];
  const shown = all.filter(({ message }) => filter.matches(message));
  const more = (problems?.errors ?? 0) + (problems?.warnings ?? 0) - all.length;
  const section = byId("problems");
  setHidden(section, shown.length === 0);
  fill(
    section,
    h("h2", {}, "Problems"),
    h(
      "ul",
      {},
      ...shown.map(({ severity, message }) =>
        h(
          `li.${severity}`,
          {},
          chip({ word: severity, look: severity === "error" ? "bad" : "warn" }),
          h("span", {}, message),
        ),
      ),
      more > 0 && h("li.more", {}, `and ${count(more)} more: `, h("code", {}, "director status")),
    ),
  );
}

/** What is neither a service nor a drain: entries on their way out, what is not written, hooks.
 *  @param {Store} store @param {import("./filter.js").Filter} filter */
export function showBeside({ table, hooks, head }, filter) {
  const leaving = (table?.leaving ?? []).filter(({ what }) => filter.matches(what));
  const differences = (table?.differences ?? []).filter((line) => filter.matches(line));
  const told = (hooks?.list ?? []).filter(({ name, target }) => filter.matches(name, target));
  fill(
    byId("beside"),
    ...list(
      "Leaving the table",
      leaving.map(({ what, since, until, active }) => [
        `${what}: weight 0 for `,
        timeElement(since),
        active === undefined ? "" : `, ${counted(active, "active connection")}`,
        ...(until === undefined
          ? [", deleted after its last connection"]
          : [", deleted in ", timeElement(until, "until"), " at the latest"]),
      ]),
      (table?.leave ?? 0) - (table?.leaving.length ?? 0),
    ),
    ...list(
      `Would be written, were this not ${head?.mode === "observe" ? "observe mode" : "frozen"}`,
      differences.map((line) => [h("code", {}, line)]),
      (table?.differ ?? 0) - (table?.differences.length ?? 0),
    ),
    ...list(
      "Hooks",
      told.map(({ name, target, delivered, failed, dropped, queued, last }) => [
        chip(
          last && !last.ok
            ? { word: "failing", look: "warn" }
            : { word: last ? "ok" : "not called yet", look: last ? "ok" : "idle" },
        ),
        ` ${name} `,
        h(
          "span.muted",
          {},
          `${target}: ${[`${count(delivered)} delivered`, ...some(failed, "failed"), ...some(dropped, "dropped"), ...some(queued, "waiting")].join(", ")}`,
        ),
        ...(last
          ? [
              h("span.muted", {}, ", the last "),
              timeElement(last.at),
              h("span.muted", {}, ` ago${last.reason ? `: ${last.reason}` : ""}`),
            ]
          : []),
      ]),
      0,
    ),
  );
}

/** @param {number} n @param {string} what */
function some(n, what) {
  return n > 0 ? [`${count(n)} ${what}`] : [];
}

/** @param {string} title @param {readonly (readonly (Node | string)[])[]} lines @param {number} more */
function list(title, lines, more) {
  if (lines.length === 0) return [];
  const rest = more > 0 ? [h("li.more", {}, `and ${count(more)} more`)] : [];
  return [h("h2", {}, title), h("ul", {}, ...lines.map((line) => h("li", {}, ...line)), ...rest)];
}
