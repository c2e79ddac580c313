import type { Notes, Place } from "../notes.ts";
import { counted } from "./block.ts";
import type { Globals, Group, Keepalived, VirtualServer } from "./model.ts";
import type { Draft } from "./read-common.ts";
import { readGlobals, readSsl } from "./read-globals.ts";
import { readGroup } from "./read-group.ts";
import { readVirtualServer } from "./read-virtual-server.ts";
import type { Statement } from "./tree.ts";

/** Blocks and lines that director has no part in. */
const LEFT =
  /^(vrrp_(instance|sync_group|script|track_process|track_file|track_bfd)|track_file|static_(ipaddress|routes|rules)|garp_group|bfd_instance|interface_up_down_delays|linkbeat_use_polling|net_namespace|namespace_with_ipsets|use_pid_dir|instance|child_wait_time|process_names|genhash.*)$/;

/** The whole file. Everything outside virtual servers, their groups and a few global words is left to keepalived. */
export function readKeepalived(statements: readonly Statement[], notes: Notes): Keepalived {
  const globals: Draft<Globals> = { timeouts: undefined, sync: undefined };
  const groups = new Map<string, Group>();
  const servers: VirtualServer[] = [];
  const left = new Map<string, { readonly place: Place; count: number }>();
  for (const statement of statements) {
    const { keyword, place } = statement;
    if (keyword === "global_defs") readGlobals(statement, globals, notes);
    else if (keyword === "SSL") readSsl(statement, notes);
    else if (keyword === "virtual_server_group") {
      const group = readGroup(statement, notes);
      if (group !== undefined && groups.has(group.name))
        notes.add("refused", place, `virtual_server_group ${group.name}`, "the second one of this name");
      else if (group !== undefined) groups.set(group.name, group);
    } else if (keyword === "virtual_server") {
      if (statement.block === undefined) notes.add("refused", place, keyword, "its { is missing");
      else if (statement.args.length === 0) notes.add("refused", place, keyword, "its address is missing");
      else {
        const server = readVirtualServer(statement, notes);
        if (server !== undefined) servers.push(server);
      }
    } else if (LEFT.test(keyword)) {
      // Conditions, includes and names in there are none of ours.
      notes.forget((note) => note.kind !== "stopped" && isWithin(note.place, statement));
      const first = left.get(keyword);
      if (first === undefined) left.set(keyword, { place, count: 1 });
      else first.count += 1;
    } else {
      const lines =
        statement.block === undefined
          ? ""
          : "; its block is not read (keepalived reads it as if its lines stood outside)";
      notes.add("refused", place, keyword, `unknown, keepalived complains of it${lines}`);
    }
  }
  leftWords(left, notes);
  return { servers, groups, globals };
}

function isWithin({ file, line }: Place, { place, end }: Statement): boolean {
  return file === place.file && line >= place.line && end.file === file && line <= end.line;
}

/** One note for all of it. */
function leftWords(left: ReadonlyMap<string, { readonly place: Place; readonly count: number }>, notes: Notes): void {
  const [first] = left.values();
  if (first === undefined) return;
  const what = [...left].map(
    ([keyword, { count, place }]) =>
      `${keyword} (${count === 1 ? "" : `${counted(count, "time")}, first `}line ${place.line})`,
  );
  notes.add(
    "hint",
    first.place,
    "left to keepalived",
    `${what.join(", ")}; take virtual_server out of its file as docs/migrating.md has it, Switching over: one program alone is to write the table, and a plain reload or stop of keepalived empties it`,
  );
}
