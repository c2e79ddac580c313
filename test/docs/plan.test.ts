import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { plain } from "../../src/cli/output.ts";
import { planText } from "../../src/cli/plan-text.ts";
import type { PlanReply } from "../../src/control/shapes.ts";
import { cli } from "../cli/support.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/plan.md"), "utf8");
const block = [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, inside]) => inside!);

describe("docs/plan.md", () => {
  for (const [, line] of block.join("").matchAll(/^\$ (director .*)$/gm))
    test(`is understood: ${line}`, async () => {
      const { code } = await cli(line!.split(" ").slice(1), { DIRECTOR_SOCKET: "/nonexistent/control.sock" });
      // Nobody is there, or no such file: it came that far.
      assert.ok([69, 78].includes(code!), `${code}`);
    });

  test("the plan it shows is how plans look", () => {
    const change = (sign: "+" | "~" | "-", server: readonly [string, string] | undefined, what: string) => ({
      sign,
      service: "web",
      frontend: "tcp 192.0.2.10:80",
      server: server && { name: server[0], address: server[1] },
      what,
      rule: undefined,
    });
    const plan: PlanReply = {
      file: "/home/alice/next.conf",
      mode: "manage",
      offline: false,
      changes: [
        change("~", undefined, "scheduler rr -> wrr"),
        change("+", ["app7", "10.0.0.17:80"], "masquerade, weight 0 until its checks have passed, then 100"),
        change("~", ["app1", "10.0.0.11:80"], "weight 100 -> 50"),
        change("-", ["app2", "10.0.0.12:80"], "weight 100 -> 0; deleted when idle, after 10m at the latest"),
      ],
      standing: [],
      unproven: ["web: http GET /ready"],
      ends: [],
      untouched: ["a", "b", "c", "d"],
      refusals: [],
      restart: [],
      warnings: [],
    };
    const shown = block.find((inside) => inside.includes("next.conf"))!.split("\n");
    assert.deepEqual(planText(plan, { paint: plain }), shown.slice(1, -1));
  });
});
