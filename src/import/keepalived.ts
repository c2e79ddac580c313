import { document } from "./document.ts";
import { createContext } from "./keepalived/context.ts";
import { readLines } from "./keepalived/lines.ts";
import { mapService } from "./keepalived/map-service.ts";
import type { Keepalived } from "./keepalived/model.ts";
import { readKeepalived } from "./keepalived/read.ts";
import { readTree } from "./keepalived/tree.ts";
import { createNames } from "./names.ts";
import { type Notes, takeNotes } from "./notes.ts";
import type { ImportEnvironment, Imported, Source } from "./source.ts";
import { type Entries, flow } from "./written.ts";

/** keepalived.conf to director.conf: what it means to keepalived, as director writes it, and notes on all that is otherwise. Nothing is written when its
 *  braces do not match, when it has no end, or when nothing of it can be a service. */
export function importKeepalived(source: Source, env: ImportEnvironment): Imported {
  const notes = takeNotes();
  const tree = readTree(readLines(source, env, notes), notes);
  if (tree === undefined || isStopped(notes)) return { text: undefined, notes: notes.all() };
  const file = readKeepalived(tree, notes);
  const context = createContext(env, notes);
  const names = createNames();
  const taken = new Set<string>();
  const mapped = file.servers.map((service) => ({ service, parts: mapService(service, file, taken, names, context) }));
  const parts = mapped.flatMap(({ parts }) => parts);
  const lost = mapped.filter(({ parts }) => parts.length === 0).map(({ service }) => service.notes);
  if (parts.length === 0) {
    const place = { file: source.file, line: 1 };
    notes.add("stopped", place, "the whole file", "there is no virtual server in it that director could serve");
    return { text: undefined, notes: notes.all() };
  }
  return document(
    { program: "keepalived", source, env, globals: globalEntries(file), parts, lost, first: file.servers[0]!.place },
    notes,
  );
}

function isStopped(notes: Notes): boolean {
  return notes.own().some((note) => note.kind === "stopped");
}

function globalEntries({ globals }: Keepalived): Entries {
  const { sync, timeouts } = globals;
  const seconds = (value: number) => (value === 0 ? undefined : `${value}s`);
  return {
    sync: sync && flow({ role: sync.role, interface: sync.interface, id: String(sync.id) }),
    timeouts:
      timeouts && flow({ tcp: seconds(timeouts.tcp), tcp_fin: seconds(timeouts.tcpFin), udp: seconds(timeouts.udp) }),
  };
}
