import { parseAddress } from "../../model/address.ts";
import { opens, readBlock, words } from "./block.ts";
import { begin, type Reading } from "./checker-reading.ts";
import type { Checker } from "./model.ts";
import type { Statement } from "./tree.ts";

/** A host name, or an address literal (RFC 5321 4.1.2). */
const HELO = /^(?=.{1,255}$)(?:[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)$/i;

/** A host block, which is an old form, is a check of its own; with one, the checker is nothing besides them. */
export function readSmtp(statement: Statement, { base, read, notes, connection }: Reading): readonly Checker[] {
  let helo = "smtpchecker.keepalived.org";
  const hosts: Statement[] = [];
  readBlock(
    statement,
    {
      ...connection,
      helo_name: words(1, 1, (s) => {
        const bare = parseAddress(s.args[0]!);
        if (bare !== undefined) helo = `[${bare.family === 6 ? "IPv6:" : ""}${s.args[0]}]`;
        else if (HELO.test(s.args[0]!)) helo = s.args[0]!;
        else read.refuse(s, "is no host name; left out");
      }),
      host: opens(0, 0, (s) => hosts.push(s)),
    },
    notes,
  );
  if (hosts.length === 0) return [{ kind: "smtp", ...base, helo }];
  return hosts.map((host) => {
    const own = begin(host, notes);
    readBlock(host, own.connection, notes);
    const { address, port, source, place } = own.base;
    const where = { address: address ?? base.address, port: port ?? base.port, source: source ?? base.source };
    return { kind: "smtp", ...base, ...where, place, helo };
  });
}
