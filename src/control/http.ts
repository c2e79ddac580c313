import type { IncomingMessage, ServerResponse } from "node:http";

/** No request of ours is larger; an intent document of 10,000 servers stays below. */
export const MOST_BODY_BYTES = 1024 * 1024;

/** A request as handlers see it: parsed, nothing else. */
export interface ApiRequest {
  readonly method: string;
  /** Path segments, decoded: `["v1", "drains", "d-1"]`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly actor: string;
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

export type ApiReply =
  | { readonly kind: "json"; readonly status: number; readonly body: unknown; readonly etag?: string }
  /** `type` left out: text/plain. */
  | { readonly kind: "text"; readonly status: number; readonly body: string | Buffer; readonly type?: string }
  | {
      readonly kind: "problem";
      readonly status: number;
      readonly detail: string;
      readonly problems?: readonly string[];
    }
  /** A file of ours, or that the client's copy of it is still right. */
  | {
      readonly kind: "file";
      readonly status: 200;
      readonly type: string;
      readonly body: Buffer;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: "file"; readonly status: 304; readonly headers: Readonly<Record<string, string>> }
  /** Lines until the client has enough. `start` gets the writer and returns what ends it. `type` left out: NDJSON. */
  | {
      readonly kind: "stream";
      readonly type?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly start: (write: (line: string) => boolean, end: () => void) => () => void;
    };

export function json(body: unknown, status = 200): ApiReply {
  return { kind: "json", status, body };
}

export function problem(status: number, detail: string, problems?: readonly string[]): ApiReply {
  return { kind: "problem", status, detail, ...(problems === undefined ? {} : { problems }) };
}

/** Reads the body as JSON; undefined when there is none.
 *  @throws Oversized, SyntaxError */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BODY_BYTES) throw new Oversized();
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  return text === "" ? undefined : JSON.parse(text);
}

export class Oversized extends Error {}

/** A client that reads its stream slower than this many bytes behind is let go: it resumes with its last sequence number. */
const MOST_UNREAD_BYTES = 4 * 1024 * 1024;

export function sendReply(response: ServerResponse, reply: ApiReply): void {
  switch (reply.kind) {
    case "json": {
      const etag = reply.etag === undefined ? {} : { etag: reply.etag };
      send(response, reply.status, "application/json", `${JSON.stringify(reply.body)}\n`, etag);
      return;
    }
    case "text":
      send(response, reply.status, reply.type ?? "text/plain; charset=utf-8", reply.body);
      return;
    case "problem": {
      const { status, detail, problems } = reply;
      const body = {
        type: "about:blank",
        title: TITLES[status] ?? "Error",
        status,
        detail,
        ...(problems ? { problems } : {}),
      };
      send(response, status, "application/problem+json", `${JSON.stringify(body)}\n`);
      return;
    }
    case "file":
      if (reply.status === 200) send(response, 200, reply.type, reply.body, reply.headers);
      else response.writeHead(304, reply.headers).end();
      return;
    case "stream": {
      const type = reply.type ?? "application/x-ndjson";
      response.writeHead(200, { "content-type": type, "cache-control": "no-store", ...reply.headers });
      response.flushHeaders();
      const stop = reply.start(
        (line) => {
          if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
          return !response.destroyed && response.write(line);
        },
        () => response.end(),
      );
      response.on("close", stop);
    }
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad request",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  409: "Conflict",
  412: "Precondition failed",
  413: "Too large",
  422: "Bad configuration",
  428: "Precondition required",
  500: "Internal error",
  503: "Unavailable",
};

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Buffer,
  more: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...more,
  });
  response.end(body);
}
