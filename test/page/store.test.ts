import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createStore } from "../../src/page/client/store.js";
import type { Message } from "../../src/page/pieces.ts";

function message(more: Partial<Message>): Message {
  return { now: 0, set: {}, gone: [], events: [], ...more };
}

const layout = { services: [{ name: "web", servers: ["a", "b"] }] };
const picture = message({
  whole: true,
  set: {
    layout,
    "service/web": { up: true },
    "server/web/a": { name: "a", weight: 1, reason: "x" },
    "server/web/b": { name: "b", weight: 2 },
    "drain/d-1": { id: "d-1" },
  },
});

describe("what the page knows", () => {
  test("fields change one by one; null takes one away; what is gone is gone", () => {
    const store = createStore();
    store.take(picture);
    const before = store.server("web", "b");
    const changed = store.take(message({ set: { "server/web/a": { weight: 5, reason: null } }, gone: ["drain/d-1"] }));
    assert.deepEqual([...changed].toSorted(), ["drain/d-1", "server/web/a"]);
    assert.deepEqual(store.server("web", "a"), { name: "a", weight: 5 });
    assert.equal(store.server("web", "b"), before, "what was not named stays the very same");
    assert.deepEqual(store.drains, []);
  });

  test("a whole picture replaces everything, and says what is gone", () => {
    const store = createStore();
    store.take(picture);
    const changed = store.take(message({ whole: true, set: { layout, "server/web/a": { name: "a" } } }));
    assert.deepEqual([...changed].toSorted(), ["drain/d-1", "layout", "server/web/a", "server/web/b", "service/web"]);
    assert.deepEqual(store.server("web", "a"), { name: "a" });
    assert.deepEqual(
      store.serversOf(layout.services[0]!).map(({ name }) => name),
      ["a"],
    );
  });

  test("rates go on where the picture ends: one that is in it already counts once, a new service has a gap before it", () => {
    const store = createStore();
    store.take(message({ whole: true, rates: { at: [10, 20], of: { web: [1, 2] } } }));
    store.take(message({ rate: { at: 20, of: { web: 2 } } }));
    store.take(message({ rate: { at: 30, of: { web: 3, api: 7 } } }));
    store.take(message({ rate: { at: 40, of: { api: 8 } } }));
    assert.deepEqual(store.rates("web"), { at: [10, 20, 30, 40], values: [1, 2, 3, null] });
    assert.deepEqual(store.rates("api").values, [null, null, 7, 8]);
    assert.deepEqual(store.rates("none").values, []);
  });

  test("keeps ten minutes of rates and the last events", () => {
    const store = createStore();
    store.take(message({ whole: true }));
    for (let i = 1; i <= 150; i++)
      store.take(
        message({
          rate: { at: i, of: { web: i } },
          events: [1, 2].map((n) => ({
            seq: 2 * i + n,
            at: i as never,
            kind: "server",
            severity: "info",
            message: "",
          })),
        }),
      );
    const { at, values } = store.rates("web");
    assert.deepEqual([at.length, values.length, at[0], values[0], values.at(-1)], [120, 120, 31, 31, 150]);
    assert.deepEqual([store.events.length, store.events.at(-1)?.seq], [200, 302]);
  });
});
