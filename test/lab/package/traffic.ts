import assert from "node:assert/strict";
import { startActors, until, weights } from "../inside.ts";
import { journal, sampling } from "../systemd/unit.ts";

const VIP = "10.100.0.1";
const FIRST = "10.9.1.2";
const SECOND = "10.9.2.2";

/** Two services of two servers each, with weights that nothing but this file gives. */
export const configText = `# an administrator's own
services:
  - name: web
    vip: ${VIP}:80
    check: { type: http, path: /healthz, interval: 1s, timeout: 3s }
    servers: [ { name: first, address: "${FIRST}:80", weight: 30 }, { name: second, address: "${SECOND}:80", weight: 70 } ]
  - name: echo
    vip: ${VIP}:7
    check: { type: tcp, interval: 1s, timeout: 3s }
    servers: [ { name: first, address: "${FIRST}:7", weight: 5 }, { name: second, address: "${SECOND}:7", weight: 5 } ]
`;

const asConfigured = {
  web: { [`${FIRST}:80`]: 30, [`${SECOND}:80`]: 70 },
  echo: { [`${FIRST}:7`]: 5, [`${SECOND}:7`]: 5 },
};

/** The weights of both services in the kernel. */
export function tableOfBoth(): unknown {
  return { web: weights(`tcp:${VIP}:80`), echo: weights(`tcp:${VIP}:7`) };
}

export function servesAsConfigured(): Promise<unknown> {
  return until("the table is as configured", () => JSON.stringify(tableOfBoth()) === JSON.stringify(asConfigured), {
    timeoutMs: 30_000,
  });
}

/** Servers for both services, and a client that makes requests and keeps connections while something happens. */
export async function startTraffic() {
  const { rs1, rs2, cl } = await startActors("rs1", "rs2", "cl");
  for (const [actor, name] of [
    [rs1, "first"],
    [rs2, "second"],
  ] as const) {
    await actor.listen({ kind: "http", name, port: 80 });
    await actor.listen({ kind: "echo", name, port: 7 });
  }
  return {
    /** Whatever `act` does: no request fails, no connection breaks or falls silent, no weight is ever another, and nothing is written. */
    async undisturbedBy(act: () => Promise<void>): Promise<void> {
      const from = Date.now();
      const load = await cl.startLoad({ kind: "http", target: `${VIP}:80`, perSecond: 20, timeoutMs: 10_000 });
      const held = await cl.hold({ kind: "echo", target: `${VIP}:7`, count: 6, everyMs: 250 });
      const table = sampling(() => JSON.stringify(tableOfBoth()), 50);
      const total = async () => Object.values((await load.look()).counts).reduce((sum, n) => sum + n, 0);
      await until("20 requests", async () => (await total()) >= 20, { timeoutMs: 30_000 });
      const before = await total();
      const { exchanges } = await held.look();
      await act();
      const during = (await total()) - before;
      const { counts, errors } = await load.stop();
      await until("the connections went on talking", async () => (await held.look()).exchanges >= exchanges + 60, {
        timeoutMs: 30_000,
      });
      const { alive, dead } = await held.release();
      const samples = table();
      console.log({ requestsDuringIt: during, counts, alive, samples: samples.length });
      assert.deepEqual(errors, {});
      assert.deepEqual([alive, dead], [{ first: 3, second: 3 }, []]);
      assert.ok(during >= 20, `${during} requests meanwhile`);
      assert.deepEqual([...new Set(samples)], [JSON.stringify(asConfigured)]);
      assert.deepEqual(
        (await journal(from)).filter(({ message }) => /added|removed| -> \d/.test(message)),
        [],
      );
    },
  };
}
