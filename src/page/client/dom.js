// Elements by hand. Whatever the daemon says becomes text nodes and attributes, never markup.

/** @typedef {Node | string | undefined | false} Child */

const SVG = "http://www.w3.org/2000/svg";

/** `h("div.chip.ok", { title: "…" }, "up")`.
 *  @param {string} what tag and classes
 *  @param {Readonly<Record<string, string>>} [attributes]
 *  @param {...Child} children
 *  @returns {HTMLElement} */
export function h(what, attributes = {}, ...children) {
  const [tag = "div", ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  for (const child of children) if (child !== undefined && child !== false) element.append(child);
  return element;
}

/** @param {string} tag
 *  @param {Readonly<Record<string, string | number>>} [attributes]
 *  @param {...Child} children
 *  @returns {SVGElement} */
export function svg(tag, attributes = {}, ...children) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  for (const child of children) if (child !== undefined && child !== false) element.append(child);
  return element;
}

/** @param {string} id */
export function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** An icon of the page's own; the word beside it says the same.
 *  @param {string} name */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
}

/** A state: icon, colour and word.
 *  @param {{ readonly word: string, readonly look: string }} state */
export function chip({ word, look }) {
  return h(`span.chip.${look}`, {}, icon(look), word);
}

/** Only what differs is touched: selections, focus and the screen reader's place stay.
 *  @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} element @param {string} name @param {string | undefined} value undefined: none */
export function setAttribute(element, name, value) {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** @param {HTMLElement} element @param {boolean} hidden */
export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** The children become these, in this order; those that are there already stay.
 *  @param {Element} parent @param {readonly Node[]} wanted */
export function setChildren(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.childNodes]) if (!keep.has(child)) child.remove();
  let next = parent.firstChild;
  for (const child of wanted) {
    if (child === next) next = next.nextSibling;
    else parent.insertBefore(child, next);
  }
}

/** Replaces the content unless it would look the same. For small things: what is written is made anew each time.
 *  @param {Element} parent @param {...Child} children */
export function fill(parent, ...children) {
  const fresh = h("div", {}, ...children);
  if (fresh.childNodes.length === parent.childNodes.length) {
    let same = true;
    parent.childNodes.forEach((child, i) => {
      same &&= child.isEqualNode(fresh.childNodes[i] ?? null);
    });
    if (same) return;
  }
  parent.replaceChildren(...fresh.childNodes);
}
