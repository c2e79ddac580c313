import { hostText } from "../probe/host-name.ts";
import type { Notes, Place } from "./notes.ts";

/** A path as director takes it: beginning with /, nothing in it that a request cannot carry. What had to be changed is noted. */
export function httpPath(path: string, place: Place, notes: Notes): string {
  const rooted = path.startsWith("/") ? path : `/${path}`;
  const encoded = rooted.replace(/[^\x21\x22\x24-\x7e]+/gu, (odd) =>
    odd === "#"
      ? "%23"
      : Buffer.from(odd).reduce((text, byte) => `${text}%${byte.toString(16).toUpperCase().padStart(2, "0")}`, ""),
  );
  if (encoded !== path) notes.add("changed", place, `path ${path}`, `is asked for as ${encoded}`);
  return encoded;
}

/** A name for the Host header or SNI; undefined, and noted, if it is none. */
export function httpHost(host: string | undefined, place: Place, notes: Notes): string | undefined {
  if (host === undefined || hostText.safeParse(host).success) return host;
  notes.add("refused", place, `virtualhost ${host}`, "is no host name; the server's address stands in its place");
  return undefined;
}
