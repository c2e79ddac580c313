import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { ApiReply, ApiRequest } from "../control/http.ts";

const folder = join(import.meta.dirname, "client");

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

/** What a server's name or a reason brings along stays text: nothing runs or loads but the page's own files, nothing is sent anywhere, and no
 *  other page may put this one into a frame or read from it. */
export const STRICT: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; "),
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
};

export interface Assets {
  /** undefined: no such file. */
  reply(name: string, request: ApiRequest): ApiReply | undefined;
}

/** The page's files, read once: an update of the package must not mix old and new ones in a daemon that runs. */
export function loadAssets(): Assets {
  const files = new Map(
    globSync("*.{html,css,js}", { cwd: folder }).map((name) => {
      const body = readFileSync(join(folder, name));
      const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
      return [name, { body, etag, type: TYPES[extname(name)]! }] as const;
    }),
  );
  return {
    reply(name, { ifNoneMatch }) {
      const file = files.get(name);
      if (file === undefined) return undefined;
      const { body, etag, type } = file;
      // They keep their names when they change: browsers keep them, and ask each time whether they are still the same.
      const headers = { ...STRICT, etag, "cache-control": "no-cache" };
      const known = ifNoneMatch?.split(/\s*,\s*/).some((tag) => tag.replace(/^W\//, "") === etag) ?? false;
      return known ? { kind: "file", status: 304, headers } : { kind: "file", status: 200, type, body, headers };
    },
  };
}
