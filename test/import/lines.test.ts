import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withoutComment } from "../../src/import/keepalived/line-text.ts";
import { readLines } from "../../src/import/keepalived/lines.ts";
import { readTree, type Statement } from "../../src/import/keepalived/tree.ts";
import { command, quotedWords, timer, truth, words } from "../../src/import/keepalived/words.ts";
import { takeNotes } from "../../src/import/notes.ts";
import { err, ok } from "../../src/model/result.ts";

/** Includes by pattern; `loop` includes itself. */
const FILES: Readonly<Record<string, string>> = {
  "one.conf": "in one\n",
  loop: "before\ninclude loop\nafter",
  deep: "$X=from include\n",
};

function linesOf(text: string, configId?: string) {
  const notes = takeNotes();
  const env = {
    configId,
    recommended: false,
    observe: false,
    readInclude: (pattern: string) => {
      const found = FILES[pattern];
      if (pattern === "*.none") return ok([]);
      return found === undefined ? err("is not there") : ok([{ file: pattern, text: found }]);
    },
  };
  const lines = [...readLines({ file: "k.conf", text }, env, notes)];
  return {
    lines: lines.map((line) => line.text),
    places: lines.map(({ place }) => `${place.file}:${place.line}`),
    notes: notes.all(),
  };
}

/** `$` before a brace is a template's in JavaScript. */
const braced = (name: string) => `$\{${name}}`;

describe("lines as keepalived's parser reads them", () => {
  const read: readonly (readonly [what: string, text: string, lines: readonly string[], configId?: string])[] = [
    ["blanks around a line do not count", "  a b  \n\t c", ["a b", "c"]],
    ["a carriage return at the end does not count", "a\r\nb\r\n", ["a", "b"]],
    ["# and ! begin a comment, even glued to a word", "a # x\nb!x\npath /a#b", ["a", "b", "path /a"]],
    ["they do not within double quotes", 'a "#b!" # c', ['a "#b!"']],
    ["a backslash takes their meaning", "path /a\\#b", ["path /a#b"]],
    ["single quotes protect nothing", "a '#b'", ["a '"]],
    ["a brace is a line of its own", "url { path /x }", ["url", "{", "path /x", "}"]],
    ["the brace may stand on the next line", "url\n{\n}", ["url", "{", "}"]],
    ["a brace in double quotes is none", 'a "{" b', ['a "{" b']],
    ["several on one line", "a{b{c}}", ["a", "{", "b", "{", "c", "}", "}"]],
    ["@id lines are for that machine", "@a x\n@b y\n@^a z\n@^b w", ["x", "w"], "a"],
    ["a condition without anything behind it is nothing", "@a\nx", ["x"], "a"],
    ["a definition behind a condition", "@a $X=1\n@b $X=2\nv $X", ["v 1"], "a"],
    ["$NAME before a blank, comma, bracket or the end", "$A=1\n$A $A,$A) x$A", ["1 1,1) x1"]],
    ["$NAME within a word is text", "$A=1\n$AB x$A-y", ["$AB x$A-y"]],
    ["braces around the name part it from the rest", `$A=1\nx${braced("A")}y`, ["x1y"]],
    ["a name that is not defined stays", "v $NO x", ["v $NO x"]],
    ["no blank may stand before the equals sign", "$A =1\nv $A", ["$A =1", "v $A"]],
    ["definitions in definitions are looked up at use", "$A=$B x\n$B=1\nv $A", ["v 1 x"]],
    ["a later definition counts from there on", "$A=1\nv $A\n$A=2\nv $A", ["v 1", "v 2"]],
    ["a definition of several lines", "$A= \\\n one \\\n two\nx\n$A", ["x", "one", "two"]],
    ["its first line goes on where it is used", "$A=one \\\n two\nx $A", ["x one", "two"]],
    ["in the midst of a line it is not replaced", "$A=one \\\n two\n$A x", ["$A x"]],
    [
      "definitions of several lines in each other",
      "$B=b1 \\\n b2\n$A=a1 \\\n $B \\\n a2\n$A",
      ["a1", "b1", "b2", "a2"],
    ],
    ["the sign of a comment", `a ${braced("_HASH")}b ${braced("_BANG")}`, ["a #b !"]],
    ["the folder of the file", `a ${braced("_PWD")}/x`, ["a ./x"]],
    ["a sequence", "~SEQ(i, 1, 3) v $i", ["v 1", "v 2", "v 3"]],
    ["a sequence with a step", "~SEQ(i, 1, 2, 6) v $i", ["v 1", "v 3", "v 5"]],
    ["a sequence with its end alone", "~SEQ(i,2) v $i", ["v 1", "v 2"]],
    ["a sequence downwards", "~SEQ(i, 3, 1) v $i", ["v 3", "v 2", "v 1"]],
    ["a sequence in hexadecimal", "~SEQx(i, 9, 0xb) v $i", ["v 9", "v a", "v b"]],
    ["a sequence in a sequence", "~SEQ(i, 1, 2) ~SEQ(j, 1, 2) v $i $j", ["v 1 1", "v 1 2", "v 2 1", "v 2 2"]],
    ["numbers from definitions", "$N=2\n~SEQ(i, 1, $N) v $i", ["v 1", "v 2"]],
    ["a list", "~LST(x, a, b) v $x", ["v a", "v b"]],
    ["a list of sets, what is missing is empty", "~LST({x,y}, {1,2}, {3}) v $x ($y)", ["v 1 (2)", "v 3 ()"]],
    ["a list of sets with blanks", "~LST({x,y}, {1, 2}, {3, 4}) v $x $y", ["v 1 2", "v 3 4"]],
    ["a series with a block", "~SEQ(i, 1, 2) v $i { w }", ["v 1", "{", "w", "}", "v 2", "{", "w", "}"]],
    ["an include in the midst of things", "a {\ninclude one.conf\n}", ["a", "{", "in one", "}"]],
    ["what an include defines counts afterwards", "include deep\nv $X", ["v from include"]],
    ["what only begins like one is none", "includes x\ninclude\n", ["includes x", "include"]],
    ["a mark of byte order", "\ufeffa", ["a"]],
  ];
  for (const [what, text, lines, configId] of read)
    test(what, () => assert.deepEqual(linesOf(text, configId).lines, lines));

  test("lines know where they come from", () => {
    assert.deepEqual(linesOf("a\ninclude one.conf\n~SEQ(i,1,2) b\nc {").places, [
      "k.conf:1",
      "one.conf:1",
      "k.conf:3",
      "k.conf:3",
      "k.conf:4",
      "k.conf:4",
    ]);
  });

  const noted: readonly (readonly [what: string, text: string, kind: string, says: RegExp])[] = [
    ["@id without --config-id", "@a x", "refused", /--config-id a/],
    ["an include that finds nothing", "include *.none", "dropped", /no file matches/],
    ["an include that cannot be read", "include gone", "dropped", /is not there/],
    ["a file that includes itself", "include loop", "refused", /includes itself/],
    ["a definition that holds itself", "$A=$A\nv $A", "refused", /holds itself/],
    ["one that grows", "$A=x $A y\nv $A", "refused", /longer than 1023/],
    ["one of several lines that holds itself", "$A=x \\\n $A\n$A", "stopped", /more than 250000 lines|without end/],
    ["a sequence without end", "~SEQ(i, 1, 0, 5) v", "refused", /never reaches/],
    ["a sequence the wrong way", "~SEQ(i, 1, -1, 5) v", "refused", /never reaches/],
    ["a sequence of millions", "~SEQ(i, 1, 90000000) v", "stopped", /more than 250000 lines/],
    ["sequences in each other", "~SEQ(i,1,9999) ~SEQ(j,1,9999) v", "stopped", /more than 250000 lines/],
    ["negative hexadecimal", "~SEQx(i, -3, 1) v", "refused", /negative/],
    ["no sequence at all", "~SEQ i 1 3 v", "refused", /expected ~SEQ/],
    ["no list at all", "~LST(x) v", "refused", /expected ~LST/],
    ["more values than names", "~LST({x,y}, {1,2,3}) v", "refused", /more values/],
    ["chance", `v ${braced("_RANDOM")}`, "refused", /known only where and when/],
    ["the environment", `v ${braced("_ENV HOME")}`, "refused", /known only where and when/],
    ["a very long line", `v ${"x".repeat(1100)}`, "changed", /1023 characters/],
    ["a line beyond measure", `v ${"x".repeat(20_000)}`, "stopped", /no configuration/],
  ];
  for (const [what, text, kind, says] of noted)
    test(`noted: ${what}`, () => {
      const { notes } = linesOf(text);
      const note = notes.find((each) => says.test(each.message));
      assert.equal(note?.kind, kind, JSON.stringify(notes));
    });

  test("the largest example of keepalived.conf(5), 65,024 instances, is read within seconds", () => {
    assert.equal(linesOf("~SEQ(i, 1, 254) ~SEQ(j, 0, 255) v $i.$j").lines.length, 254 * 256);
  });

  test("a comment ends before the backslash that goes on", () => assert.equal(withoutComment("a # b \\"), "a\\"));
});

describe("words", () => {
  const plain: readonly (readonly [string, readonly string[] | undefined])[] = [
    ["a  b\tc", ["a", "b", "c"]],
    ['a "b c" d', ["a", "b c", "d"]],
    ['a"b c"d', ["a", "b c", "d"]],
    ['""', [""]],
    ["", []],
    ['a "b', undefined],
  ];
  for (const [line, found] of plain) test(`plain: ${line}`, () => assert.deepEqual(words(line), found));

  const quoted: readonly (readonly [string, readonly string[] | undefined])[] = [
    [`a 'b c' d`, ["a", "b c", "d"]],
    [`a"b c"d`, ["ab cd"]],
    [String.raw`a\ b "c\"d" '\n\'' "\\s"`, ["a b", 'c"d', "\n'", "\\s"]],
    [String.raw`\x41\101\t\cA\E\e\X`, ["AA\t\x01\x1beX"]],
    ["a\\", undefined],
    [`'a`, undefined],
  ];
  for (const [line, found] of quoted) test(`quoted: ${line}`, () => assert.deepEqual(quotedWords(line), found));

  test("a command is one quoted text, perhaps with a user", () => {
    assert.deepEqual(command(`"/bin/x -a 'b c'" root adm`), { argv: ["/bin/x", "-a", "b c"], user: ["root", "adm"] });
    assert.equal(command('"/bin/x'), undefined);
    assert.equal(command(""), undefined);
  });

  test("seconds", () => {
    assert.deepEqual(["6", "0.5", "1.", "500ms", "3s", "-1", "", "1e3", "0.000001"].map(timer), [
      6000,
      500,
      1000,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      0.001,
    ]);
  });

  test("on and off", () => {
    assert.deepEqual([undefined, "on", "true", "yes", "off", "false", "no", "1", "ON"].map(truth), [
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      undefined,
      undefined,
    ]);
  });
});

describe("blocks", () => {
  const treeOf = (text: string) => {
    const notes = takeNotes();
    const env = { configId: undefined, recommended: false, observe: false, readInclude: () => ok([]) };
    return { tree: readTree(readLines({ file: "k.conf", text }, env, notes), notes), notes: notes.all() };
  };
  const shape = (statements: readonly Statement[]): string =>
    statements
      .map(({ keyword, args, block }) => [keyword, ...args].join(" ") + (block ? `{${shape(block)}}` : ""))
      .join(";");

  test("they belong to the keyword before them", () => {
    assert.equal(shape(treeOf("a 1 {\nb\nc { d 2 }\n}\ne\n{\n}").tree!), "a 1{b;c{d 2}};e{}");
  });

  for (const [text, says] of [
    ["a {\nb {\n}", /a: its \{ is never closed/],
    ["a { } }", /}: closes nothing/],
    ["{ a }", /\{: opens a block of nothing/],
    ["a { } { }", /opens a block of nothing/],
    [`${"a { ".repeat(60)}${"} ".repeat(60)}`, /more than 50 blocks/],
  ] as const)
    test(`nothing can be made of ${text.slice(0, 20).replaceAll("\n", " ")}`, () => {
      const { tree, notes } = treeOf(text);
      assert.equal(tree, undefined);
      assert.match(notes.map(({ kind, subject, message }) => `${kind} ${subject}: ${message}`).join("\n"), says);
    });
});
