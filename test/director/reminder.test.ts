import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { REMIND_EVERY_MS, remindHourly } from "../../src/director/reminder.ts";
import { OPS, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";

describe("who is down for long", () => {
  test("is named every hour, the longest down first, until he is back", async () => {
    const machine = world();
    const { director } = await machine.start(webConf([`a ${A}`, `b ${B}`]));
    const said: string[] = [];
    const end = remindHourly(
      machine.clock,
      () => director.reconciler().desired,
      ({ message }) => said.push(message),
    );
    await machine.clock.advance(15 * 60_000);
    machine.servers.answer(B, "fail");
    await machine.clock.advance(40 * 60_000);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(5 * 60_000);
    assert.deepEqual(said, [
      "still down: 2 of 2 servers: web b (44m: connection refused), web a (4m: connection refused)",
    ]);
    machine.servers.answer(B, "pass");
    await machine.clock.advance(REMIND_EVERY_MS);
    assert.deepEqual(said.slice(1), ["still down: 1 of 2 servers: web a (1h4m: connection refused)"]);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(2 * REMIND_EVERY_MS);
    assert.equal(said.length, 2);
    machine.servers.answer(A, "fail");
    end();
    await machine.clock.advance(2 * REMIND_EVERY_MS);
    assert.equal(said.length, 2);
  });

  test("many are counted, and ten of them named", async () => {
    const machine = world();
    const addresses = Array.from({ length: 30 }, (_, i) => `10.0.1.${i + 1}:80`);
    for (const address of addresses) machine.servers.answer(address, "fail");
    const { director } = await machine.start(webConf(addresses.map((address, i) => `s${i} ${address}`)));
    const said: string[] = [];
    remindHourly(
      machine.clock,
      () => director.reconciler().desired,
      ({ message }) => said.push(message),
    );
    await machine.clock.advance(REMIND_EVERY_MS);
    assert.match(said[0]!, /^still down: 30 of 30 servers: web s\d+ \(\S+: connection refused\), .* and 20 more$/);
    assert.equal(said[0]!.split("refused").length - 1, 10);
  });
});

describe("the log of weights", () => {
  test("names who commanded them", async () => {
    const machine = world();
    const daemon = await machine.start(webConf([`a ${A}`, `b ${B}`]));
    await daemon.wait(daemon.director.disable("web", "a", OPS, undefined));
    await daemon.wait(daemon.director.setWeight("web", "b", 30, OPS));
    assert.deepEqual(
      daemon.events
        .filter((e) => e.actor !== undefined && e.kind === "weight")
        .map(({ message, actor, to }) => ({ message, actor, to })),
      [
        { message: "web a: weight 100 -> 0 (disabled by ops)", actor: "ops", to: "0" },
        { message: "web b: weight 100 -> 30 (set-by-command by ops)", actor: "ops", to: "30" },
      ],
    );
  });
});
