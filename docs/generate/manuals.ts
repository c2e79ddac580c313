import { join } from "node:path";
import { VERSION } from "../../src/cli/version.ts";
import { apiPage } from "./api-page.ts";
import { commandPage } from "./command-page.ts";
import { configPage } from "./config-page.ts";
import { openapi } from "./openapi.ts";

const root = join(import.meta.dirname, "../..");

/** Every file that is made of the sources, with what it has to hold. */
export function manuals(): readonly { readonly path: string; readonly text: string }[] {
  const api = openapi();
  return [
    { path: join(root, "man/director.conf.5"), text: configPage(VERSION) },
    { path: join(root, "man/director.1"), text: commandPage() },
    { path: join(root, "docs/openapi.json"), text: `${JSON.stringify(api, undefined, 2)}\n` },
    { path: join(root, "docs/api.md"), text: apiPage(api) },
  ];
}
