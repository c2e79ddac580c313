import { writeFileSync } from "node:fs";
import { manuals } from "./manuals.ts";

/*
 * Writes the manuals anew: npm run manuals
 */
for (const { path, text } of manuals()) writeFileSync(path, text);
