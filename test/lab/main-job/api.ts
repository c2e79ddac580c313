import { request } from "node:http";
import type { DrainStatus, ServerStatus, StatusReply } from "../../../src/control/shapes.ts";
import type { Director } from "../inside.ts";

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** One request over the control socket, as curl would make it. Works while the command line is not what is being tested. */
export function call(director: Director, method: string, path: string, body?: unknown): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { host: "director", "content-type": "application/json" };
    const asked = request({ socketPath: director.socket, path: `/v1/${path}`, method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (data: string) => {
        text += data;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: text === "" ? undefined : JSON.parse(text) }),
      );
    });
    asked.setTimeout(30_000, () => asked.destroy(new Error(`${method} ${path}: no answer`)));
    asked.on("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The same, read as what it must answer.
 *  @throws Error with the answer, unless it is a success. */
export async function ask<T>(director: Director, method: string, path: string, body?: unknown): Promise<T> {
  const reply = await call(director, method, path, body);
  if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
  return reply.body as T;
}

export function status(director: Director): Promise<StatusReply> {
  return ask(director, "GET", "status");
}

/** One server's part of the status; undefined while there is none of that name. */
export async function serverStatus(
  director: Director,
  service: string,
  name: string,
): Promise<ServerStatus | undefined> {
  const { services } = await status(director);
  return services.find((s) => s.name === service)?.servers.find((s) => s.name === name);
}

export function drainStatus(director: Director, id: string): Promise<DrainStatus> {
  return ask(director, "GET", `drains/${id}`);
}
