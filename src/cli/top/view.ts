/** `file`: as the file has them, below their services. */
export type Order = "file" | "state" | "open" | "rate" | "name";

/** What whoever looks has chosen to see. */
export interface View {
  readonly order: Order;
  readonly inverted: boolean;
  /** Words that all have to stand in a row. */
  readonly filter: string;
  /** A filter that is being typed takes the keys. */
  readonly typing: boolean;
  readonly onlyTroubled: boolean;
  readonly help: boolean;
  /** What is shown stands still. */
  readonly held: boolean;
  /** Rows that are scrolled away above. */
  readonly offset: number;
}

export const FIRST_VIEW: View = {
  order: "file",
  inverted: false,
  filter: "",
  typing: false,
  onlyTroubled: false,
  help: false,
  held: false,
  offset: 0,
};

/** A key as it was pressed: a name (`up`, `return`), or the character it stands for. */
export interface Key {
  readonly name: string | undefined;
  readonly text: string;
  readonly ctrl: boolean;
}

export type Answer = { readonly kind: "view"; readonly view: View } | { readonly kind: "quit" | "suspend" | "redraw" };

const ORDERS: Readonly<Record<string, Order>> = { f: "file", s: "state", o: "open", r: "rate", n: "name" };

/** @param page rows that are on the screen
 *  @param rows that there are */
export function pressed(view: View, key: Key, page: number, rows: number): Answer {
  if (key.ctrl && key.name === "c") return { kind: "quit" };
  if (key.ctrl && key.name === "z") return { kind: "suspend" };
  if (key.ctrl && key.name === "l") return { kind: "redraw" };
  const next = view.typing ? typed(view, key) : chosen(view, key, page, rows);
  if (next === undefined) return { kind: "quit" };
  const last = Math.max(0, rows - page);
  return { kind: "view", view: { ...next, offset: Math.max(0, Math.min(next.offset, last)) } };
}

function typed(view: View, { name, text, ctrl }: Key): View {
  const { filter } = view;
  if (name === "return" || name === "enter") return { ...view, typing: false };
  if (name === "escape") return { ...view, typing: false, filter: "", offset: 0 };
  if (name === "backspace") return { ...view, filter: filter.slice(0, -1), offset: 0 };
  if (ctrl && name === "u") return { ...view, filter: "", offset: 0 };
  return !ctrl && /^[\x20-\x7e\u00a0-\uffff]$/.test(text) ? { ...view, filter: filter + text, offset: 0 } : view;
}

/** undefined: enough of it. */
function chosen(view: View, { name, text }: Key, page: number, rows: number): View | undefined {
  if (view.help) return text === "q" ? undefined : { ...view, help: false };
  const order = ORDERS[text];
  if (order) return { ...view, order, inverted: view.order === order && !view.inverted, offset: 0 };
  switch (name) {
    case "up":
      return { ...view, offset: view.offset - 1 };
    case "down":
      return { ...view, offset: view.offset + 1 };
    case "pageup":
      return { ...view, offset: view.offset - page };
    case "pagedown":
      return { ...view, offset: view.offset + page };
    case "home":
      return { ...view, offset: 0 };
    case "end":
      return { ...view, offset: rows };
    case "escape":
      return { ...view, filter: "", onlyTroubled: false, offset: 0 };
    default:
      return lettered(view, text, page, rows);
  }
}

function lettered(view: View, text: string, page: number, rows: number): View | undefined {
  switch (text) {
    case "q":
      return undefined;
    case "k":
      return { ...view, offset: view.offset - 1 };
    case "j":
      return { ...view, offset: view.offset + 1 };
    case "b":
      return { ...view, offset: view.offset - page };
    case "g":
      return { ...view, offset: 0 };
    case "G":
      return { ...view, offset: rows };
    case "i":
      return { ...view, inverted: !view.inverted, offset: 0 };
    case "/":
      return { ...view, typing: true };
    case "p":
      return { ...view, onlyTroubled: !view.onlyTroubled, offset: 0 };
    case " ":
      return { ...view, held: !view.held };
    case "?":
    case "h":
      return { ...view, help: true };
    default:
      return view;
  }
}

export const HELP: readonly string[] = [
  "director top",
  "",
  "  f  as the file has them    s  worst first      n  by name",
  "  o  most open connections   r  most new connections a second",
  "     the same key again, or i: the other way round",
  "",
  "  /  only rows with these words (name, address, state, rule, reason)",
  "  p  only those with a problem",
  "  Esc  all of them again",
  "",
  "  up down j k   PgUp b  PgDn   Home g  End G   scroll",
  "  space  hold what is shown      Ctrl-L  draw anew      Ctrl-Z  to the shell",
  "  q  Ctrl-C  leave",
  "",
  "  act/in: open connections, and those that are closing (UDP: all of them)",
  "  conn/s: new ones a second, with the last two minutes beside it",
  "",
  "any key: back",
];
