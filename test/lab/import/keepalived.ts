import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { KeepalivedProgram } from "../inside/keepalived.ts";
import { LabUnavailable } from "../lab.ts";

const { findKeepalived } = createRequire(import.meta.url)("../../../bin/setup-keepalived.cjs") as {
  findKeepalived(): KeepalivedProgram | undefined;
};

/** For scenarios beside keepalived (`// lab: prepare=keepalived.ts`): tells startKeepalived inside where it is. */
export function prepare(folder: string): void {
  const program = findKeepalived();
  if (program === undefined) throw new LabUnavailable("there is no keepalived; `npm test` brings it");
  writeFileSync(join(folder, "keepalived.json"), JSON.stringify(program));
}
