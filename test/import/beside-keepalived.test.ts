import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readLines } from "../../src/import/keepalived/lines.ts";
import { readTree, type Statement } from "../../src/import/keepalived/tree.ts";
import { importKeepalived } from "../../src/import/keepalived.ts";
import { formatNote, type Note, takeNotes } from "../../src/import/notes.ts";
import type { ImportEnvironment } from "../../src/import/source.ts";
import { ok } from "../../src/model/result.ts";
import { CHECK_PIECES } from "../lab/import/check-pieces.ts";
import type { Piece } from "../lab/import/pieces.ts";
import { SERVICE_PIECES } from "../lab/import/service-pieces.ts";
import { configOf } from "./support.ts";

/*
 * The pieces that keepalived and director run side by side in the lab (test/lab/import/*-beside.lab.ts): that no keyword of the importer is missing
 * from them, and that what becomes otherwise is said, by the import and in the guide.
 */

const PIECES: readonly Piece[] = [...SERVICE_PIECES, ...CHECK_PIECES];

/** What cannot be run beside the keepalived that is at hand, Debian 12's. */
const NOT_RUN: Readonly<Record<string, string>> = {
  "virtual_server backup_real_server": "not in 2.2.7, which would read its block as lines of the virtual server",
  "virtual_server failover_threshold": "not in 2.2.7",
  "virtual_server failover_up": "not in 2.2.7",
  "virtual_server failover_down": "not in 2.2.7",
  "url username": "not in 2.2.7",
  "url password": "not in 2.2.7",
  "checker host": "with a host block 2.2.7 loses a healthy server every few seconds: its own read times out",
};

const CHECKERS = ["TCP_CHECK", "HTTP_GET", "SSL_GET", "UDP_CHECK", "DNS_CHECK", "SMTP_CHECK", "MISC_CHECK"];

function environment({ includes = {} }: Partial<Piece>): ImportEnvironment {
  const files = Object.entries(includes).map(([file, text]) => ({ file, text }));
  return { configId: "lab1", recommended: false, observe: false, readInclude: () => ok(files) };
}

const imported = (text: string, piece: Partial<Piece> = {}) =>
  importKeepalived({ file: "k.conf", text }, environment(piece));

/** Whatever stands in the importer's own source as a word, tried as a line of this block: those that are no unknown keyword there. */
function keywordsOf(block: (lines: string) => string): readonly string[] {
  const folder = join(import.meta.dirname, "../../src/import/keepalived");
  const sources = globSync("*.ts", { cwd: folder }).map((file) => readFileSync(join(folder, file), "utf8"));
  const words = [...new Set(sources.join("\n").match(/[A-Za-z][\w-]*/g))].filter((word) => !/^include/.test(word));
  const unknown = new Set(
    imported(block(words.join("\n")))
      .notes.filter(isUnknown)
      .map(({ subject }) => subject),
  );
  return words.filter((word) => !unknown.has(word));
}

function isUnknown({ message }: Note): boolean {
  return /^(unknown in|gone from|never known|known to|of a patched)/.test(message);
}

const inServer = (lines: string) => `virtual_server 192.0.2.1 80 {\nreal_server 10.0.0.1 80 {\n${lines}\n}\n}`;
const known: ReadonlySet<string> = new Set([
  ...keywordsOf((lines) => `virtual_server 192.0.2.1 80 {\n${lines}\n}`).map((word) => `virtual_server ${word}`),
  ...keywordsOf(inServer).map((word) => `real_server ${word}`),
  ...keywordsOf((lines) => inServer(`HTTP_GET {\nurl {\n${lines}\n}\n}`)).map((word) => `url ${word}`),
  ...CHECKERS.flatMap((checker) => keywordsOf((lines) => inServer(`${checker} {\n${lines}\n}`))).map(
    (word) => `checker ${word}`,
  ),
]);

/** `url path`, `checker retry`: which keywords stand in which kind of block. */
function used(piece: Piece): readonly string[] {
  const notes = takeNotes();
  const tree = readTree(readLines({ file: "k.conf", text: piece.text }, environment(piece), notes), notes);
  const within = (owner: string, statements: readonly Statement[]): readonly string[] =>
    statements.flatMap(({ keyword, block }) => [
      `${owner} ${keyword}`,
      ...(block ? within(kindOf(keyword), block) : []),
    ]);
  return within("", tree ?? []);
}

const kindOf = (keyword: string) => (/_CHECK$|_GET$/.test(keyword) ? "checker" : keyword);

describe("the pieces that run beside keepalived", () => {
  const present = new Set(PIECES.flatMap(used));

  test("the importer's keywords are found", () => {
    for (const each of ["virtual_server quorum", "real_server FILE_CHECK", "url digest", "checker misc_dynamic"])
      assert.ok(known.has(each), each);
    assert.ok(!known.has("virtual_server digest"));
    assert.ok(known.size > 100, `${known.size}`);
  });

  test("every one of them stands in a piece, but for those that cannot be run", () => {
    assert.deepEqual([...known].filter((each) => !present.has(each)).sort(), Object.keys(NOT_RUN).sort());
  });

  test("names and services are each one's own", () => {
    for (const all of [PIECES.map(({ name }) => name), PIECES.flatMap(({ services }) => services)])
      assert.deepEqual(
        all.filter((each, i) => all.indexOf(each) !== i),
        [],
      );
  });

  for (const piece of PIECES) {
    const { name, differs, services } = piece;
    const { text, notes } = imported(piece.text, piece);
    test(`${name}: ${differs === undefined ? "is taken over" : "what is otherwise is said"}`, () => {
      const said = notes.map(formatNote).map((line) => line.replace(/^.*?: /, ""));
      if (differs)
        assert.ok(
          said.some((line) => line.startsWith(differs.note)),
          said.join("\n"),
        );
      const none = services.length === 0 || (differs !== undefined && differs.pools === undefined);
      if (none) assert.equal(text, undefined);
      else assert.ok(configOf({ text, notes, losses: [], hints: [] }).services.length > 0);
    });
  }

  test("a difference is one", () => {
    for (const { name, pools, differs } of PIECES) if (differs) assert.notDeepEqual(differs.pools, pools, name);
  });
});
