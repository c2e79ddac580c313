// Stands for ipvsadm where there is no IPVS: `node fake-ipvsadm.ts STATE ARGUMENT...` keeps its table in the file STATE, as `-Sn` prints it, with the limits on
// connections in STATE.thresholds, and treats the lines of -R as ipvsadm 1.31 does. In the environment (set by the script that calls it): OLD=1 knows no tunnel types.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { attempt } from "../../src/ipvs/apply.ts";
import { parseListing } from "../../src/ipvs/listing.ts";
import { parseThresholds, withThresholds } from "../../src/ipvs/stats.ts";
import { parseRule } from "../ipvs/parse-rule.ts";
import { renderListing, renderThresholds } from "../ipvs/render.ts";

/** What ipvsadm finds wrong by itself; it then reads no further. What the kernel refuses, and options unknown to popt, it passes over. */
const ENDS_THE_RUN =
  /^(illegal|invalid|incompatible|multiple|You need|Illegal|One-Packet|Different address family|Zero port)/;

const [state = "", ...args] = process.argv.slice(2);
const contents = (file: string): string => (existsSync(file) ? readFileSync(file, "utf8") : "");
const text = contents(state);
const thresholds = contents(`${state}.thresholds`);
if (args.join(" ") === "-Ln --thresholds") process.stdout.write(thresholds);
else if (args[0] === "-Sn") process.stdout.write(text);
else if (args[0] === "-R") process.exitCode = restore(readFileSync(0, "utf8"));
else throw new Error(`not known to this ipvsadm: ${args.join(" ")}`);

function restore(rules: string): number {
  let table = withThresholds(parseListing(text).table, parseThresholds(thresholds));
  let code = 0;
  for (const line of rules.split("\n").filter((line) => line.trim() !== "")) {
    const reason = reasonAgainst(line);
    code = reason === undefined ? 0 : 255;
    if (reason === undefined) continue;
    process.stderr.write(`${reason}\n`);
    if (!ENDS_THE_RUN.test(reason)) continue;
    code = 2;
    break;
  }
  writeFileSync(state, renderListing(table));
  writeFileSync(`${state}.thresholds`, renderThresholds(table));
  return code;

  function reasonAgainst(line: string): string | undefined {
    if (process.env.OLD === "1" && line.includes("--tun-type")) return "--tun-type: unknown option";
    try {
      const result = attempt(table, [parseRule(line)]);
      table = result.table;
      return result.refused[0]?.reason;
    } catch (error) {
      return (error as Error).message;
    }
  }
}
