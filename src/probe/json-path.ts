import { JSONPathEnvironment, type JSONValue } from "json-p3";
import { err, ok, type Result } from "../model/result.ts";

/** RFC 9535, as it stands there; without extensions, and with nothing that runs code. */
const rfc9535 = new JSONPathEnvironment({ strict: true });

/** What a path leads to in one document: each value with the place it was found at, in the document's order. */
export type Query = (document: unknown) => readonly { readonly at: string; readonly value: unknown }[];

/** A path that can be asked of documents, or what is wrong with it. A query throws where a document is nested more than 50 deep on its way. */
export function compilePath(source: string): Result<Query, string> {
  try {
    const path = rfc9535.compile(source);
    return ok((document) =>
      path.query(document as JSONValue).nodes.map((node) => ({ at: node.path, value: node.value })),
    );
  } catch (error) {
    return err((error as Error).message);
  }
}
