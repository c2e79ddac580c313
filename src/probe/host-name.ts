import { scalar } from "../config/scalars.ts";
import { err, ok } from "../model/result.ts";

const EXPECTED = "expected a host name, with a port if need be, such as www.example.com";
const FORM = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?$/i;

/** What may stand in a Host header. Never looked up. */
export const hostText = scalar<string>({
  expected: EXPECTED,
  read: (source) => (source.length <= 255 && FORM.test(source) ? ok(source) : err(EXPECTED)),
  write: String,
  json: { type: "string" },
});

/** The same without port and brackets, as TLS wants it. */
export function hostName(value: string): string {
  return (FORM.exec(value)?.[1] ?? value).replaceAll(/[[\]]/g, "");
}
