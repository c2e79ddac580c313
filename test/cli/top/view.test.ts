import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FIRST_VIEW, pressed, type View } from "../../../src/cli/top/view.ts";

const NAMED: Readonly<Record<string, string>> = {
  "<up>": "up",
  "<down>": "down",
  "<pgup>": "pageup",
  "<pgdn>": "pagedown",
  "<home>": "home",
  "<end>": "end",
  "<enter>": "return",
  "<esc>": "escape",
  "<bs>": "backspace",
};

/** What a view becomes by keys: `s/app<enter>`; `^u` is Ctrl-u. On a screen of 10 rows, of 100. */
function after(keys: string, rows = 100): View | string {
  let view = FIRST_VIEW;
  for (const key of keys.match(/<\w+>|\^\w|./g) ?? []) {
    const ctrl = key.length === 2 && key.startsWith("^");
    const text = ctrl ? "" : NAMED[key] === undefined ? key : "";
    const answer = pressed(view, { name: NAMED[key] ?? key.at(-1), text, ctrl }, 10, rows);
    if (answer.kind !== "view") return answer.kind;
    view = answer.view;
  }
  return view;
}

const changes = (view: View | string) =>
  typeof view === "string"
    ? view
    : Object.fromEntries(Object.entries(view).filter(([key, value]) => value !== FIRST_VIEW[key as keyof View]));

describe("the keys of director top", () => {
  const table: readonly (readonly [keys: string, expected: unknown])[] = [
    ["q", "quit"],
    ["^c", "quit"],
    ["^z", "suspend"],
    ["^l", "redraw"],
    ["x", {}],
    ["s", { order: "state" }],
    ["ss", { order: "state", inverted: true }],
    ["sss", { order: "state" }],
    ["sr", { order: "rate" }],
    ["ri", { order: "rate", inverted: true }],
    ["o", { order: "open" }],
    ["nf", {}],
    ["p", { onlyTroubled: true }],
    ["pp", {}],
    [" ", { held: true }],
    ["  ", {}],
    ["j", { offset: 1 }],
    ["jjk", { offset: 1 }],
    ["<down><down><up>", { offset: 1 }],
    ["k", {}],
    ["<pgdn>", { offset: 10 }],
    ["<pgdn>b", {}],
    ["G", { offset: 90 }],
    ["<end><pgdn>", { offset: 90 }],
    ["<end><home>", {}],
    ["<end>g", {}],
    ["Gs", { order: "state" }],
    ["/", { typing: true }],
    ["/web q", { typing: true, filter: "web q" }],
    ["/web<bs><bs>", { typing: true, filter: "w" }],
    ["/web^u", { typing: true }],
    ["/web<enter>", { filter: "web" }],
    ["/web<esc>", {}],
    ["/web<enter>s<esc>", { order: "state" }],
    ["/web^c", "quit"],
    ["G/w", { typing: true, filter: "w" }],
    ["?", { help: true }],
    ["?s", {}],
    ["?q", "quit"],
  ];
  for (const [keys, expected] of table)
    test(`${keys} -> ${JSON.stringify(expected)}`, () => assert.deepEqual(changes(after(keys)), expected));

  test("what fits on the screen cannot be scrolled", () => {
    assert.deepEqual(changes(after("G", 7)), {});
    assert.deepEqual(changes(after("jjjj", 12)), { offset: 2 });
  });
});
