// Times that go on by themselves, by the daemon's clock.
import { h } from "./dom.js";
import { age, dateTime, wait } from "./words.js";

/** How far the daemon's clock is ahead of ours, in milliseconds. */
let ahead = 0;

/** @param {number} daemonNow */
export function setClock(daemonNow) {
  ahead = daemonNow - Date.now();
}

/** By the daemon's clock. */
export function now() {
  return Date.now() + ahead;
}

/** An element that says how long ago something was, or (`until`) how long it will still take, and goes on saying it.
 *  @param {number} at @param {"since" | "until"} [kind] */
export function timeElement(at, kind = "since") {
  const element = h("time", { datetime: new Date(at).toISOString(), title: dateTime(at), "data-kind": kind });
  element.textContent = textOf(at, kind);
  return element;
}

/** The same element for another time.
 *  @param {HTMLElement} element made by timeElement @param {number} at */
export function setTime(element, at) {
  const iso = new Date(at).toISOString();
  if (element.getAttribute("datetime") === iso) return;
  element.setAttribute("datetime", iso);
  element.title = dateTime(at);
  const text = textOf(at, element.dataset.kind);
  if (element.textContent !== text) element.textContent = text;
}

/** @param {number} at @param {string | undefined} kind */
function textOf(at, kind) {
  return kind === "until" ? wait(at - now()) : age(now() - at);
}

/** Brings all of them up to date. */
export function refreshTimes() {
  for (const element of document.querySelectorAll("time[data-kind]")) {
    const { dataset, dateTime: iso } = /** @type {HTMLTimeElement} */ (element);
    const text = textOf(Date.parse(iso), dataset.kind);
    if (element.textContent !== text) element.textContent = text;
  }
}
