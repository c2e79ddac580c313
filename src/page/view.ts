import type { DrainStatus, ServerStatus, StatusReply } from "../control/shapes.ts";
import {
  type DrainMore,
  type DrainPiece,
  type DrainPoint,
  type HeadPiece,
  isRunning,
  type ServerPiece,
} from "./pieces.ts";

/** A part of the page with its fields; sent field by field as they change. */
export type Piece = object;

/** By key: `head`, `service/web`, `server/web/10.0.0.11:80`, `drain/d-1`. */
export type View = ReadonlyMap<string, Piece>;

/** Of lists that can be as long as the table: whoever needs all of them asks `director status`. */
const MOST_LINES = 100;
/** Of drains that are over, besides those whose shares stand. */
const MOST_ENDED = 10;

export interface ViewInput {
  readonly host: string;
  readonly status: StatusReply;
  readonly drainMore: (id: string) => DrainMore;
  readonly history: (id: string) => readonly DrainPoint[];
}

export function viewOf({ host, status, drainMore, history }: ViewInput): View {
  const { table, problems, services, now } = status;
  const view = new Map<string, Piece>();
  view.set("head", headOf(host, status));
  view.set("problems", {
    errors: problems.filter((p) => p.severity === "error").length,
    warnings: problems.filter((p) => p.severity === "warning").length,
    list: problems.slice(0, MOST_LINES),
  });
  view.set("table", {
    differences: table.differences.slice(0, MOST_LINES),
    differ: table.differences.length,
    leaving: table.leaving.slice(0, MOST_LINES),
    leave: table.leaving.length,
  });
  view.set("hooks", { list: status.hooks });
  view.set("layout", {
    services: services.map(({ name, servers }) => ({ name, servers: servers.map((s) => s.address) })),
  });
  for (const { name, servers, ...service } of services) {
    view.set(`service/${name}`, service);
    for (const server of servers) view.set(`server/${name}/${server.address}`, serverPiece(server));
  }
  for (const drain of shownDrains(status.drains))
    view.set(`drain/${drain.id}`, drainPiece(drain, now, drainMore(drain.id), history(drain.id)));
  return view;
}

function headOf(host: string, { version, mode, startedAt, ready, config, table, freezes }: StatusReply): HeadPiece {
  return {
    host,
    version,
    mode,
    startedAt,
    ready,
    file: config.file,
    loadedAt: config.loadedAt,
    inSync: table.inSync,
    lastSuccessAt: table.lastSuccessAt,
    frozen: freezes,
  };
}

function serverPiece({ checks, ...server }: ServerStatus): ServerPiece {
  return {
    ...server,
    checks: checks.map(({ at: _, tookMs: __, ...check }) => check),
    probes: checks.map(({ at }) => at),
  };
}

function drainPiece(
  { nextInMs, ttlLeftMs, ...drain }: DrainStatus,
  now: number,
  more: DrainMore,
  history: readonly DrainPoint[],
): DrainPiece {
  return {
    ...drain,
    ...more,
    nextAt: nextInMs === undefined ? undefined : now + nextInMs,
    undoneAt: ttlLeftMs === undefined ? undefined : now + ttlLeftMs,
    history,
  };
}

/** Those that move or can, those whose shares stand, and the last of the others; newest first. */
function shownDrains(drains: readonly DrainStatus[]): readonly DrainStatus[] {
  let ended = 0;
  return drains.toReversed().filter((drain) => isRunning(drain.state) || ++ended <= MOST_ENDED || drain.stands);
}
