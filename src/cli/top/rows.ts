import type { ServerStatus, ServiceStatus } from "../../control/shapes.ts";
import { assertNever } from "../../model/result.ts";
import type { Order, View } from "./view.ts";

export type Row =
  | { readonly kind: "service"; readonly service: ServiceStatus }
  | { readonly kind: "server"; readonly service: ServiceStatus; readonly server: ServerStatus };

type ServerRow = Extract<Row, { kind: "server" }>;

/** What there is to show: below their services as the file has them, or all servers in another order. */
export function rowsOf(services: readonly ServiceStatus[], view: View): readonly Row[] {
  const wanted = filterOf(view);
  const rows = services.map((service) =>
    service.servers.map((server): ServerRow => ({ kind: "server", service, server })).filter(wanted),
  );
  if (view.order !== "file") return sorted(rows.flat(), view.order, view.inverted);
  const all = view.filter === "" && !view.onlyTroubled;
  const grouped = services.flatMap((service, i): readonly (readonly Row[])[] =>
    rows[i]!.length > 0 || all || (view.onlyTroubled && service.trouble !== undefined)
      ? [[{ kind: "service", service }, ...rows[i]!]]
      : [],
  );
  return (view.inverted ? grouped.toReversed() : grouped).flat();
}

function filterOf({ filter, onlyTroubled }: View): (row: ServerRow) => boolean {
  const words = filter
    .toLowerCase()
    .split(" ")
    .filter((word) => word !== "");
  return (row) => {
    if (onlyTroubled && !isTroubled(row.server)) return false;
    if (words.length === 0) return true;
    const { service, server } = row;
    const text = [service.name, server.name, server.address, server.state, server.rule, server.reason ?? ""]
      .join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

/** Something is to be seen to. */
export function isTroubled({
  state,
  weight,
  configuredWeight,
  disabled,
  override,
  checks,
  ...server
}: ServerStatus): boolean {
  return (
    state === "down" ||
    (state === "unknown" && server.reason !== undefined) ||
    weight !== configuredWeight ||
    disabled !== undefined ||
    override !== undefined ||
    (server.kernelWeight ?? 0) !== weight ||
    checks.some(({ unchecked, unproven }) => unchecked || unproven)
  );
}

function sorted(rows: readonly ServerRow[], order: Exclude<Order, "file">, inverted: boolean): readonly Row[] {
  const rank = rankOf(order);
  const byName = (a: ServerRow, b: ServerRow) =>
    NAMES.compare(`${a.service.name} ${a.server.name}`, `${b.service.name} ${b.server.name}`);
  const all = rows.map((row) => ({ row, rank: rank(row.server) }));
  const way = inverted ? -1 : 1;
  return all.sort((a, b) => way * (b.rank - a.rank || byName(a.row, b.row))).map(({ row }) => row);
}

/** app2 before app10. */
const NAMES = new Intl.Collator("en", { numeric: true });

function rankOf(order: Exclude<Order, "file">): (server: ServerStatus) => number {
  switch (order) {
    case "name":
      return () => 0;
    case "open":
      return ({ active, inactive }) => (active === undefined ? -1 : active + (inactive ?? 0) / 1e9);
    case "rate":
      return ({ connectionsPerSecond }) => connectionsPerSecond ?? -1;
    case "state":
      return badness;
    default:
      return assertNever(order);
  }
}

function badness(server: ServerStatus): number {
  if (server.state === "down") return server.weight > 0 ? 5 : 4;
  if (server.checks.some(({ unchecked }) => unchecked)) return 3;
  if (server.state === "unknown") return 2;
  return isTroubled(server) ? 1 : 0;
}
