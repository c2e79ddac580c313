import { isServiceUp } from "../director/status.ts";
import type { HandlerContext } from "./handlers.ts";
import type { ApiReply, ApiRequest } from "./http.ts";

export type Handler = (request: ApiRequest) => Promise<ApiReply>;

/** What `http.listen` answers beside /v1, by the first part of the path; "" is the root. */
export type DoorRoutes = Readonly<Record<string, Handler>>;

/** @param api answers whatever no route is for */
export function doorHandler(routes: DoorRoutes, api: Handler): Handler {
  return (request) => {
    const first = request.path[0] ?? "";
    return (Object.hasOwn(routes, first) ? routes[first]! : api)(request);
  };
}

/** For VRRP and BGP scripts: 200 when ready (the whole director, or one service), 503 when not. */
export function readyRoutes(context: HandlerContext, ready: () => boolean): DoorRoutes {
  return {
    healthz: async () => text(200, "ok"),
    readyz: async ({ query }) => {
      const name = query.get("service");
      if (!ready()) return text(503, "starting");
      if (name === null) return text(200, "ready");
      const service = context.director.config().services.find((s) => s.name === name);
      if (!service) return text(404, `no service ${name}`);
      const up = isServiceUp(context.statusInput().reconciler.desired?.services.get(service.key));
      return up ? text(200, "up") : text(503, "down");
    },
  };
}

function text(status: number, line: string): ApiReply {
  return { kind: "text", status, body: `${line}\n` };
}
