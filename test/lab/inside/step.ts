import { type TestContext, test } from "node:test";
import { run } from "./run.ts";

let failed: string | undefined;

/** One step of a scenario, shown as a test of its own. Steps run one after the other; each builds on what those before it left behind, so
 *  after a failure the rest is skipped. A failure shows the kernel's table as it stood. */
export function step(name: string, act: (t: TestContext) => Promise<void> | void): void {
  void test(name, async (t) => {
    if (failed !== undefined) return t.skip(`after the failure of: ${failed}`);
    try {
      await act(t);
    } catch (error) {
      failed = name;
      const { stdout } = await run(["/usr/sbin/ipvsadm", "-Ln"]);
      console.error(`--- the kernel's table when this failed: ${name}\n${stdout}---`);
      throw error;
    }
  });
}
