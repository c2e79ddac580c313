import type { DoorRoutes } from "../control/door.ts";
import { type ApiRequest, problem } from "../control/http.ts";
import { type Assets, STRICT } from "./assets.ts";
import type { Feed } from "./feed.ts";

/** The page, what belongs to it, and what keeps it up to date: `/`, `/page/…`, `/events`. */
export function pageRoutes(assets: Assets, feed: Feed): DoorRoutes {
  const file = async (name: string, request: ApiRequest) =>
    assets.reply(name, request) ?? problem(404, `the page has no file ${name}`);
  return {
    "": (request) => file("index.html", request),
    page: (request) => file(request.path.slice(1).join("/"), request),
    events: async () =>
      feed.isFull()
        ? problem(503, "too many look at the page already")
        : {
            kind: "stream",
            type: "text/event-stream",
            // Proxies that gather an answer before they pass it on (nginx) would gather for ever.
            headers: { ...STRICT, "x-accel-buffering": "no" },
            start: (write, end) => feed.join(write, end),
          },
  };
}
