// The line to the daemon: one stream of events, opened anew with growing patience when it breaks.

/** The daemon says something at least every 5 seconds. */
const SILENCE_MS = 15_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;

/** @typedef {{ readonly kind: "live" } | { readonly kind: "connecting" } | { readonly kind: "lost", readonly retryAt: number }} LinkState */

/** @param {(message: import("../pieces.ts").Message) => void} onMessage
 *  @param {(state: LinkState) => void} onState */
export function openLink(onMessage, onState) {
  /** @type {EventSource | undefined} */
  let source;
  let patience = FIRST_RETRY_MS;
  let heardAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let watch;

  function connect() {
    clearTimeout(retry);
    source?.close();
    listen();
    source = new EventSource("events");
    source.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      heardAt = Date.now();
      patience = FIRST_RETRY_MS;
      listen();
      onMessage(message);
      onState({ kind: "live" });
    };
    source.onerror = lose;
  }

  function listen() {
    clearTimeout(watch);
    watch = setTimeout(lose, SILENCE_MS);
  }

  function lose() {
    source?.close();
    clearTimeout(watch);
    clearTimeout(retry);
    // Many that have lost the same daemon should not all come back in the same moment.
    const after = patience * (0.75 + Math.random() / 2);
    patience = Math.min(patience * 2, LAST_RETRY_MS);
    retry = setTimeout(connect, after);
    onState({ kind: "lost", retryAt: Date.now() + after });
  }

  // Who comes back to a page that slept has seen nothing of what happened meanwhile.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && Date.now() - heardAt > SILENCE_MS) connect();
  });
  addEventListener("online", connect);

  onState({ kind: "connecting" });
  connect();
  return { retryNow: connect };
}
