import { formatEndpoint } from "../model/address.ts";
import { document } from "./document.ts";
import { mapVirtual } from "./ldirectord/map-service.ts";
import type { Virtual } from "./ldirectord/model.ts";
import { readLdirectord } from "./ldirectord/read.ts";
import { createNames } from "./names.ts";
import { takeNotes } from "./notes.ts";
import type { ImportEnvironment, Imported, Source } from "./source.ts";

/** ldirectord.cf to director.conf, as importKeepalived does it. */
export function importLdirectord(source: Source, env: ImportEnvironment): Imported {
  const notes = takeNotes();
  const { globals, virtuals } = readLdirectord(source.file, source.text, notes);
  const names = createNames();
  const parts = virtuals.map((virtual) => mapVirtual(virtual, globals, names(nameOf(virtual)), env));
  const [first] = virtuals;
  if (first === undefined) {
    notes.add(
      "stopped",
      { file: source.file, line: 1 },
      "the whole file",
      "there is no virtual in it that director could serve",
    );
    return { text: undefined, notes: notes.all() };
  }
  return document({ program: "ldirectord", source, env, globals: {}, parts, lost: [], first: first.place }, notes);
}

function nameOf({ at, protocol }: Virtual): string {
  if (at.kind === "fwmark") return `fwmark-${at.mark}`;
  const endpoint = formatEndpoint(at.address, at.port);
  return protocol === "udp" ? `udp-${endpoint}` : endpoint;
}
