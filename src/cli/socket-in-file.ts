import { parseDocument } from "yaml";
import { readText } from "./files.ts";

/** `control.socket` of a file that may be broken: whoever asks for a reload is to reach the daemon, which says what is wrong. */
export function socketIn(file: string): string | undefined {
  const text = readText(file);
  if (!text.ok) return undefined;
  const document = parseDocument(text.value, { schema: "failsafe", logLevel: "silent" });
  const socket = document.getIn(["control", "socket"]);
  return typeof socket === "string" && socket.startsWith("/") ? socket : undefined;
}
