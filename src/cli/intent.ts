import { writeFileSync } from "node:fs";
import { apiPath, Refused } from "../control/client.ts";
import { type Context, EXIT, printJson, UsageError } from "./context.ts";
import { counted } from "./counted.ts";
import { readText } from "./files.ts";

/** What is used of the document here; the daemon reads all of it. */
interface IntentDocument {
  readonly revision: number;
  readonly servers: readonly unknown[];
  readonly drains: readonly unknown[];
}

/** `director intent export`: everything commanded, as one document. */
export async function exportIntent(context: Context, file: string | undefined): Promise<number> {
  const { body } = await context.client.get<IntentDocument>(apiPath("intent"), context.signal);
  const text = `${JSON.stringify(body, undefined, 2)}\n`;
  if (file === undefined || file === "-") context.out.write(text);
  else writeFileSync(file, text, { mode: 0o640 });
  return EXIT.ok;
}

const PRECONDITION_FAILED = 412;

/** `director intent import`: replaces everything commanded. By itself only while it is still what the document was made from (its revision). */
export async function importIntent(
  context: Context,
  file: string | undefined,
  { force = false }: { readonly force?: boolean },
): Promise<number> {
  const name = file === undefined || file === "-" ? "standard input" : file;
  const text = readText(name === file ? file : 0);
  if (!text.ok) throw new UsageError(`${name}: ${text.error}`);
  const document = parsed(text.value, name);
  const { client, signal } = context;
  const tag = force ? (await client.get(apiPath("intent"), signal)).etag : `"${document.revision}"`;
  try {
    const { body } = await client.send<IntentDocument>("PUT", apiPath("intent"), document, signal, {
      "if-match": tag ?? "",
    });
    if (context.json) printJson(context, body);
    else
      context.out.print(
        `imported: ${counted(body.servers.length, "server")}, ${counted(body.drains.length, "drain")}; revision ${body.revision}`,
      );
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== PRECONDITION_FAILED) throw error;
    throw new Refused(error.status, `${error.message}; --force replaces it all the same`, error.problems);
  }
}

function parsed(text: string, name: string): IntentDocument {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${name}: not JSON: ${(error as Error).message}`);
  }
  if (typeof document === "object" && document !== null && "revision" in document) {
    if (Number.isSafeInteger(document.revision)) return document as IntentDocument;
  }
  throw new UsageError(`${name}: no document of \`director intent export\`: it has no revision`);
}
