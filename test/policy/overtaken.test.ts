import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Config } from "../../src/model/config.ts";
import type { Service, ServiceKey } from "../../src/model/service.ts";
import type { EpochMs } from "../../src/model/time.ts";
import type { Drain } from "../../src/policy/drain.ts";
import { EMPTY_INTENT, type Intent, type ServerIntent } from "../../src/policy/intent.ts";
import { withoutOvertaken } from "../../src/policy/overtaken.ts";
import { frontend, server, service } from "../support/services.ts";
import { drain, ended, key, shifting } from "./drains.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const WEB = "tcp:192.0.2.10:80" as ServiceKey;
const at = 0 as EpochMs;
const said = { by: "ops", at, reason: undefined };

const config = (...services: readonly Service[]) => ({ services }) as unknown as Config;
const file = (a: number, b: number) => config(service([server(`${A} ${a}`), server(`${B} ${b}`)]));

function entry(given: Partial<ServerIntent>): ServerIntent {
  return { services: [WEB], server: key(A), disabled: undefined, weight: undefined, stateLost: undefined, ...given };
}

const override = { ...said, value: 30, configured: 100 };
const done = drain({
  service: [WEB],
  from: [key(A)],
  to: [key(B)],
  step: 10,
  phase: ended("done"),
  configured: { [key(A)]: 100, [key(B)]: 0 },
  result: { given: { [key(A)]: 100 }, taken: { [key(B)]: 100 } },
});

describe("what the file overtakes", () => {
  const intent = (servers: readonly ServerIntent[], drains: readonly Drain[] = []): Intent => ({
    ...EMPTY_INTENT,
    servers,
    drains,
  });

  test("nothing, as long as the file says the same: the very same document", () => {
    const present = intent([entry({ weight: override })], [done, drain({ step: 3, phase: shifting() })]);
    assert.equal(withoutOvertaken(present, file(100, 0)), present);
  });

  test("a weight set by command ends when the file's changes, and does not come back with the old number", () => {
    const after = withoutOvertaken(intent([entry({ weight: override })]), file(80, 0));
    assert.deepEqual(after.servers, []);
    assert.deepEqual(withoutOvertaken(after, file(100, 0)).servers, []);
  });

  test("a weight set by command ends when the server, or the whole service, leaves the file", () => {
    for (const without of [config(service([server(B)])), config()])
      assert.deepEqual(withoutOvertaken(intent([entry({ weight: override })]), without).servers, []);
  });

  test("disabled and held stay, whatever the file does", () => {
    const kept = { disabled: { ...said, until: undefined }, stateLost: { at } };
    for (const changed of [file(80, 0), config()]) {
      const after = withoutOvertaken(intent([entry({ ...kept, weight: override })]), changed);
      assert.deepEqual(after.servers, [entry(kept)]);
    }
  });

  test("a drain's result ends server by server, and for good", () => {
    const old = withoutOvertaken(intent([], [done]), file(50, 0));
    assert.deepEqual(old.drains[0]!.result, { given: {}, taken: { [key(B)]: 100 } });
    assert.deepEqual(withoutOvertaken(old, file(100, 0)).drains[0]!.result, { given: {}, taken: { [key(B)]: 100 } });
    const both = withoutOvertaken(old, file(50, 70));
    assert.equal(both.drains[0]!.result, undefined);
    assert.equal(both.drains[0]!.phase.kind, "done", "it stays in the list of what was");
  });

  test("a drain that can still move is left alone: it follows the file by itself", () => {
    const present = intent([], [drain({ service: [WEB], from: [key(A)], to: [key(B)], step: 3, phase: shifting() })]);
    assert.equal(withoutOvertaken(present, file(50, 70)), present);
    assert.equal(withoutOvertaken(present, config()), present);
  });

  test("a service that is called otherwise, or kept only some of its frontends, is the same service", () => {
    const frontends = [frontend("tcp 192.0.2.10:80"), frontend("tcp 192.0.2.11:80")];
    const moved = config(service([server(A)], { name: "other", frontends: [frontend("tcp 192.0.2.11:80")] }));
    const present = intent([
      entry({
        services: frontends.map((f) => `tcp:${f.kind === "address" ? f.address.text : ""}:80` as ServiceKey),
        weight: override,
      }),
    ]);
    assert.equal(withoutOvertaken(present, moved), present);
  });

  test("an aborted drain that had moved nothing leaves no result to roll back", () => {
    const nothing = intent([], [{ ...done, phase: ended("aborted"), result: { given: {}, taken: {} } }]);
    assert.equal(withoutOvertaken(nothing, file(100, 0)).drains[0]!.result, undefined);
  });
});
