import { setFlagsFromString } from "node:v8";

/** How much V8's heap may grow beyond what was alive after a full collection before the next one. Read anew at each collection.
 *  @param percent above 0 */
export function heapGrowsBy(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}
