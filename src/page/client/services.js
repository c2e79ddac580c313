// Services with their servers. Every row is made once and then kept up to date in place, field by field.
import { byId, chip, fill, h, icon, setAttribute, setChildren, setHidden } from "./dom.js";
import { rateline } from "./plot.js";
import { createRow } from "./row.js";
import { now, timeElement } from "./times.js";
import { count, counted, serviceState } from "./words.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./filter.js").Filter} Filter */
/** @typedef {import("./words.js").Server} Server */
/** @typedef {import("./words.js").Service} Service */

/** Rules that leave a weight as the file has it, but for the scale. */
const AS_CONFIGURED = new Set(["configured", "presumed-up", "fail-open"]);
const HEADS = ["server", "state", "weight", "connections", "last check"];

/** @typedef {ReturnType<typeof createRow>} Row */
/** @typedef {ReturnType<typeof createSection>} Section */

export function createServices() {
  const root = byId("services");
  /** @type {Map<string, Section>} */
  const sections = new Map();

  return {
    /** @param {Store} store @param {ReadonlySet<string>} changed keys */
    update(store, changed) {
      const { layout } = store;
      for (const name of sections.keys()) if (!layout.some((service) => service.name === name)) sections.delete(name);
      for (const service of layout) {
        let section = sections.get(service.name);
        if (!section) {
          section = createSection(service.name);
          sections.set(service.name, section);
        }
        section.update(store, service, changed);
      }
      if (changed.has("layout"))
        setChildren(
          root,
          layout.flatMap(({ name }) => sections.get(name)?.element ?? []),
        );
    },
    /** @param {Filter} filter */
    filter(filter) {
      let visible = 0;
      let all = 0;
      for (const section of sections.values()) {
        const seen = section.filter(filter);
        visible += seen.visible;
        all += seen.all;
      }
      return { visible, all };
    },
    /** @param {Store} store */
    plot(store) {
      for (const [name, section] of sections) section.plot(store.rates(name));
    },
  };
}

/** @param {string} name */
function createSection(name) {
  const state = h("span.state");
  const facts = h("span.facts.muted");
  const rate = h("span.rate");
  const notes = h("div.notes");
  const rows = h("div.rows", { role: "rowgroup" });
  const heads = h(
    "div.row.heads",
    { role: "row" },
    ...HEADS.map((text) => h("div.cell", { role: "columnheader" }, text)),
  );
  const table = h(
    "div.table",
    { role: "table", "aria-label": `Servers of ${name}` },
    h("div", { role: "rowgroup" }, heads),
    rows,
  );
  const element = h(
    "section.service",
    { "aria-label": `Service ${name}` },
    h("header", {}, h("h2", {}, name), state, facts, rate),
    notes,
    table,
  );
  /** @type {Map<string, Row>} */
  const known = new Map();
  /** @type {Service | undefined} */
  let service;

  /** @param {readonly Server[]} servers */
  function showHead(servers) {
    if (!service) return;
    const { frontends, scheduler, quorum, frozen, trouble, sorryServer, unproven } = service;
    fill(state, chip(serviceState(service)));
    const well = servers.filter((server) => ["up", "presumed-up", "no-check"].includes(server.state)).length;
    const healthy = `${count(well)} of ${count(servers.length)} up`;
    const sum = servers.reduce((total, { active }) => total + (active ?? 0), 0);
    const quorate = quorum.held ? "" : ", quorum LOST";
    fill(facts, `${frontends.join(", ")} · ${scheduler} · ${healthy}${quorate} · ${counted(sum, "connection")}`);
    fill(
      notes,
      trouble !== undefined && h("p.bad", {}, icon("bad"), trouble),
      frozen &&
        h(
          "p.hold",
          {},
          icon("hold"),
          `Frozen by ${frozen.by} for another `,
          timeElement(frozen.until, "until"),
          frozen.reason ? `: ${frozen.reason}` : "",
        ),
      sorryServer && h(`p.${sorryServer.serves ? "warn" : "muted"}`, {}, ...sorry(sorryServer)),
      unproven.length > 0 &&
        h(
          "p.warn",
          {},
          icon("warn"),
          `Unproven since the reload (passed nowhere, takes nothing down): ${unproven.join(", ")}`,
        ),
    );
    setAttribute(element, "data-look", serviceState(service).look);
  }

  return {
    element,
    /** @param {Store} store @param {{ readonly name: string, readonly servers: readonly string[] }} place @param {ReadonlySet<string>} changed */
    update(store, place, changed) {
      service = store.service(name);
      const touched = place.servers.filter((key) => changed.has(`server/${name}/${key}`));
      const whole = changed.has("layout");
      if (whole) for (const key of known.keys()) if (!place.servers.includes(key)) known.delete(key);
      if (touched.length === 0 && !whole && !changed.has(`service/${name}`)) return;
      const servers = store.serversOf(place);
      const most = greatest(servers);
      // A weight is drawn beside its neighbours': where one of them grows, all of them look smaller.
      const scale = `${most.weight}/${most.configured}`;
      const all = element.dataset.scale !== scale;
      element.dataset.scale = scale;
      for (const key of all || whole ? place.servers : touched) {
        const server = store.server(name, key);
        if (!server) continue;
        const row = known.get(key) ?? createRow();
        known.set(key, row);
        row.update(server, most);
      }
      if (whole)
        setChildren(
          rows,
          place.servers.flatMap((key) => known.get(key)?.element ?? []),
        );
      showHead(servers);
    },
    /** @param {Filter} filter */
    filter(filter) {
      let visible = 0;
      const itself = service && (serviceState(service).look !== "ok" || service.unproven.length > 0);
      const own = [name, ...(service?.frontends ?? []), service?.trouble];
      for (const row of known.values()) if (row.filter(filter, own)) visible++;
      const mine = filter.matches(...own) && (!filter.onlyProblems || itself === true);
      setHidden(element, visible === 0 && !(mine && (known.size === 0 || filter.onlyProblems)));
      setHidden(table, visible === 0);
      return { visible, all: known.size };
    },
    /** @param {{ readonly at: readonly number[], readonly values: readonly (number | null)[] }} rates */
    plot({ at, values }) {
      const last = values.at(-1);
      setHidden(rate, last === undefined || last === null);
      if (last !== undefined && last !== null)
        fill(rate, rateline(at, values, now()), h("span", {}, `${count(last)}/s`));
    },
  };
}

/** What the longest bar stands for. Weights are drawn on the scale of the configured ones, unless the pool is scaled (a drain's small numbers).
 *  @param {readonly Server[]} servers */
function greatest(servers) {
  const weight = Math.max(1, ...servers.map((server) => server.weight));
  const configured = Math.max(1, ...servers.map((server) => server.configuredWeight));
  const scaled = servers.some(
    (server) => server.weight > 0 && server.weight !== server.configuredWeight && AS_CONFIGURED.has(server.rule),
  );
  const both = Math.max(weight, configured);
  return scaled ? { weight, configured } : { weight: both, configured: both };
}

/** @param {NonNullable<Service["sorryServer"]>} server */
function sorry({ address, serves, state, reason, active }) {
  const health = state === "down" ? `, DOWN${reason ? `: ${reason}` : ""}` : "";
  const standing = serves ? "serves" : "stands by";
  return [
    serves && icon("warn"),
    `Sorry server ${address} ${standing}${health}${active ? `, ${counted(active, "connection")}` : ""}`,
  ];
}
