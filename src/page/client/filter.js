// The filter box. What it says stands in the address, so that a view can be kept and sent to somebody.
import { byId, setText } from "./dom.js";
import { count } from "./words.js";

/** @typedef {{ readonly matches: (...texts: readonly (string | undefined)[]) => boolean, readonly onlyProblems: boolean, readonly active: boolean }} Filter */

/** @param {() => void} onChange */
export function createFilter(onChange) {
  const text = /** @type {HTMLInputElement} */ (byId("text"));
  const only = /** @type {HTMLInputElement} */ (byId("only"));
  const shown = byId("shown");

  function read() {
    const hash = new URLSearchParams(location.hash.slice(1));
    text.value = hash.get("q") ?? "";
    only.checked = hash.get("problems") === "1";
  }

  function write() {
    const hash = new URLSearchParams();
    if (text.value.trim() !== "") hash.set("q", text.value.trim());
    if (only.checked) hash.set("problems", "1");
    const size = hash.toString();
    history.replaceState(null, "", size === "" ? location.pathname : `#${size}`);
  }

  function changed() {
    write();
    onChange();
  }

  text.addEventListener("input", changed);
  only.addEventListener("change", changed);
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => {
    read();
    onChange();
  });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && document.activeElement !== text) {
      event.preventDefault();
      text.focus();
      text.select();
    }
    if (event.key === "Escape" && document.activeElement === text) {
      text.value = "";
      changed();
    }
  });
  read();

  return {
    /** @returns {Filter} */
    current() {
      const words = text.value
        .toLowerCase()
        .split(/\s+/)
        .filter((word) => word !== "");
      return {
        active: words.length > 0 || only.checked,
        onlyProblems: only.checked,
        matches(...texts) {
          if (words.length === 0) return true;
          const hay = texts.join(" ").toLowerCase();
          return words.every((word) => hay.includes(word));
        },
      };
    },
    /** @param {number} visible @param {number} all */
    tell(visible, all) {
      setText(shown, visible === all ? "" : `${count(visible)} of ${count(all)} servers`);
    },
  };
}
