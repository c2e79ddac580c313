import type { ServerStatus, ServiceStatus, StatusReply } from "../control/shapes.ts";
import { census, censusLine } from "./census.ts";
import { type Cell, columns, cut } from "./columns.ts";
import { drainLines, isRunning, route } from "./drain-text.ts";
import type { Paint } from "./output.ts";
import { checkCell, stateCell, weightCell } from "./server-cells.ts";
import { age } from "./times.ts";

export interface Look {
  readonly paint: Paint;
  /** Longest line where a line may be cut; undefined: none is. */
  readonly width: number | undefined;
}

/** Lines of these lists before the rest is only counted. */
const MOST_LINES = 20;

/** What an operator wants to see first, first: is it running, what is wrong, then every server, then what is under way. */
export function statusText(status: StatusReply, look: Look): readonly string[] {
  const { services, drains } = status;
  const running = drains.filter(isRunning);
  const ended = drains.filter((drain) => !isRunning(drain));
  const stand = ended.filter((drain) => drain.stands).length;
  const under = running.flatMap((drain) => drainLines(drain, look).map((line) => `  ${line}`));
  if (ended.length > 0)
    under.push(
      `  ${ended.length} ended${stand > 0 ? `, the shares of ${stand} stand` : ""}: director drain list --all`,
    );
  return [
    ...head(status, look),
    ...problemLines(status, look),
    ...section(
      `would be written, were this not ${status.mode === "observe" ? "observe mode" : "frozen"}`,
      status.table.differences,
      look,
    ),
    ...section(
      "differs from the file (director drain settle prints the lines that make it agree)",
      standing(status),
      look,
    ),
    ...section(
      "leaving the table",
      status.table.leaving.map((l) => leavingLine(l, status.now)),
      look,
    ),
    ...services.flatMap((service) => ["", ...serviceLines(service, status.now, look)]),
    ...(under.length === 0 ? [] : ["", look.paint("bold", "drains"), ...under]),
  ];
}

function head(
  { version, now, startedAt, config, table, mode, ready, services }: StatusReply,
  { paint }: Look,
): readonly string[] {
  const synced = table.lastSuccessAt === undefined ? "never read" : `${age(now - table.lastSuccessAt)} ago`;
  const sync = table.inSync ? `table in sync, ${synced}` : paint("red", `table NOT IN SYNC, last good pass ${synced}`);
  const lines = [
    `director ${version}, up ${age(now - startedAt)}; ${config.file}, loaded ${age(now - config.loadedAt)} ago`,
    mode === "observe" ? `${paint("yellow", "OBSERVE MODE: nothing is written")}; ${sync}` : sync,
    censusLine(census(services), paint),
  ];
  if (!ready) lines.push(paint("yellow", "STARTING: not every check has its first verdict"));
  return lines;
}

function problemLines({ problems }: StatusReply, { paint }: Look): readonly string[] {
  if (problems.length === 0) return [paint("green", "no problems")];
  const rows = problems.map(({ severity, message }): readonly Cell[] => [
    { text: severity, style: severity === "error" ? "red" : "yellow" },
    message,
  ]);
  // Never cut: this is what somebody came to read.
  return ["", paint("bold", `problems: ${problems.length}`), ...columns(rows, { paint, indent: "  " })];
}

function section(title: string, lines: readonly string[], { paint }: Look): readonly string[] {
  if (lines.length === 0) return [];
  const more = lines.length > MOST_LINES ? [`  and ${lines.length - MOST_LINES} more`] : [];
  return ["", paint("bold", title), ...lines.slice(0, MOST_LINES).map((line) => `  ${line}`), ...more];
}

/** What ended drains and drains' additions leave, which the file does not say. What was commanded stands among the problems. */
function standing({ services, drains, now }: StatusReply): readonly string[] {
  const shares = drains
    .filter((drain) => drain.stands && !isRunning(drain))
    .map(
      (d) => `${d.service}: ${route(d)}: what drain ${d.id} moved ${age(now - d.startedAt)} ago by ${d.actor} stands`,
    );
  const added = services.flatMap(({ name, servers }) =>
    servers
      .filter((server) => server.added)
      .map((server) => `${name} ${server.name}: a drain brought it in, the file does not have it`),
  );
  return [...shares, ...added];
}

function leavingLine({ what, since, until, active }: StatusReply["table"]["leaving"][number], now: number): string {
  const open = active === undefined ? "" : `, ${active} active connections`;
  const end =
    until === undefined ? "deleted after its last connection" : `deleted in ${age(until - now)} at the latest`;
  return `${what}: weight 0 for ${age(now - since)}${open}, ${end}`;
}

/** One service: a line about itself, then its servers in columns. */
export function serviceLines(service: ServiceStatus, now: number, look: Look): readonly string[] {
  const { paint, width } = look;
  const title = [paint("bold", service.name), service.scheduler, ...service.frontends, ...perSecond(service)].join(
    "  ",
  );
  const down = [
    ...(service.frozen ? [paint("yellow", `FROZEN for ${age(service.frozen.until - now)}`)] : []),
    ...(service.trouble === undefined ? [] : [paint("red", service.trouble.toUpperCase())]),
  ]
    .map((words) => `  ${words}`)
    .join("");
  if (service.servers.length === 0) return [title + down, "  no servers"];
  const rated = service.connectionsPerSecond !== undefined;
  const rows = [...service.servers.map((server) => serverRow(server, rated, now)), ...sorryRow(service, rated)];
  const heading = ["server", "address", "state", "weight", "act/in", ...(rated ? ["conn/s"] : []), "last check"];
  const dim = heading.map((text): Cell => ({ text, style: "dim" }));
  const right = new Set(rated ? [4, 5] : [4]);
  return [title + down, ...columns([dim, ...rows], { paint, indent: "  ", right, width })];
}

function perSecond({ connectionsPerSecond }: ServiceStatus): readonly string[] {
  return connectionsPerSecond === undefined ? [] : [`${connectionsPerSecond} conn/s`];
}

function sorryRow({ sorryServer }: ServiceStatus, rated: boolean): readonly (readonly Cell[])[] {
  if (sorryServer === undefined) return [];
  const { address, serves, state, reason, active } = sorryServer;
  const standing: Cell = serves
    ? { text: "SERVES", style: "yellow" }
    : state === "down"
      ? { text: "DOWN", style: "red" }
      : "stands by";
  return [
    [
      "sorry server",
      address,
      standing,
      serves ? "1" : "0",
      active === undefined ? "-" : String(active),
      ...(rated ? ["-"] : []),
      reason ?? "",
    ],
  ];
}

function serverRow(server: ServerStatus, rated: boolean, now: number): readonly Cell[] {
  return [
    server.name,
    // A server is often named by its address.
    server.name === server.address ? "" : server.address,
    stateCell(server, now),
    weightCell(server, now),
    server.active === undefined ? "-" : `${server.active}/${server.inactive ?? 0}`,
    ...(rated ? [server.connectionsPerSecond === undefined ? "-" : String(server.connectionsPerSecond)] : []),
    checkCell(server.checks, now),
  ];
}

/** For a screen that is drawn again and again: no line longer, not more lines than there is room. */
export function fitted(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  return [...lines.slice(0, rows - 1), cut(`... ${lines.length - rows + 1} more lines`, 80)];
}
