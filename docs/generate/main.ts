import { writeFileSync } from "node:fs";
import { manuals } from "./manuals.ts";

/*
 * Writes the manuals anew:  node docs/generate/main.ts
 */
for (const { path, text } of manuals()) writeFileSync(path, text);
