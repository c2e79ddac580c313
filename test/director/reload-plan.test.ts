import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { TablePlan } from "../../src/director/reload-plan.ts";
import { type Daemon, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const C = "10.0.0.3:80";
const TWO = webConf([`a ${A}`, `b ${B}`]);
const OBSERVE = { top: ["ipvs: { mode: observe }"] } as const;

/** `~ b: weight 100 -> 50`, as a person would be told. */
const told = (changes: TablePlan["changes"]): readonly string[] =>
  changes.map(({ sign, service, server, what }) => `${sign} ${server?.name ?? service}: ${what}`);

const rules = (plan: TablePlan): readonly string[] =>
  plan.changes.flatMap(({ rule }) => (rule === undefined ? [] : [rule])).sort();

interface Case {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  /** Before the plan. */
  readonly meanwhile?: (machine: ReturnType<typeof world>, daemon: Daemon) => Promise<void>;
  readonly told: readonly string[];
  readonly unproven?: readonly string[];
  readonly ends?: readonly string[];
  readonly untouched?: readonly string[];
}

const other = (text: string) =>
  `${text}\n  - name: other\n    vip: 192.0.2.11:80\n    check: { type: scripted }\n    servers: [ { name: o, address: "${C}" } ]`;

const cases: readonly Case[] = [
  { name: "the same file", from: TWO, to: TWO, told: [], untouched: ["web"] },
  { name: "another weight", from: TWO, to: webConf([`a ${A}`, `b ${B} 50`]), told: ["~ b: weight 100 -> 50"] },
  {
    name: "a server more: nobody has asked it yet, so it comes at 0",
    from: TWO,
    to: webConf([`a ${A}`, `b ${B}`, `c ${C} 30`]),
    told: ["+ c: masquerade, weight 0 until its checks have passed, then 30"],
  },
  {
    name: "a server less: weight 0 first, deleted when idle",
    from: TWO,
    to: webConf([`a ${A}`], { service: ["removal_grace: 5m"] }),
    told: ["- b: weight 100 -> 0; deleted when idle, after 5m at the latest"],
  },
  {
    name: "a standby less: nothing is written before it goes",
    from: webConf([`a ${A}`, `b ${B} 0`]),
    to: webConf([`a ${A}`]),
    told: ["- b: stands at weight 0; deleted when idle, after 10m at the latest"],
  },
  {
    name: "a service less, with its servers; the other one is untouched",
    from: other(TWO),
    to: TWO,
    told: ["- other: deleted with its last server", "- o: weight 100 -> 0; deleted when idle, after 10m at the latest"],
    untouched: ["web"],
  },
  {
    name: "a service more",
    from: TWO,
    to: other(TWO),
    told: ["+ other: added: scheduler wrr", "+ o: masquerade, weight 0 until its checks have passed, then 100"],
    unproven: ["other: scripted /"],
    untouched: ["web"],
  },
  {
    name: "options of the service, edited in place",
    from: TWO,
    to: webConf([`a ${A}`, `b ${B}`], {
      service: ["scheduler: mh", "scheduler_flags: [mh-fallback]", "persistence: { timeout: 5m }"],
    }),
    told: ["~ web: scheduler wrr -> mh, scheduler_flags none -> mh-fallback, persistence none -> 5m/32"],
  },
  {
    name: "another check: unproven, and no weight changes",
    from: TWO,
    to: webConf([`a ${A}`, `b ${B}`], { check: "path: /other" }),
    told: [],
    unproven: ["web: scripted /other"],
    untouched: ["web"],
  },
  {
    name: "another name alone",
    from: TWO,
    to: TWO.replace("name: web", "name: shop"),
    told: [],
    untouched: ["shop"],
  },
  {
    name: "a dead server gets another weight: it stays at 0",
    from: TWO,
    to: webConf([`a ${A}`, `b ${B} 70`]),
    meanwhile: async (machine) => {
      machine.servers.answer(B, "fail");
      await machine.clock.advance(20_000);
    },
    told: [],
    untouched: ["web"],
  },
  {
    name: "a dead server, and a scheduler that refuses weight 0: its entry is taken out",
    from: TWO,
    to: webConf([`a ${A}`, `b ${B}`], { service: ["scheduler: dh"] }),
    meanwhile: async (machine) => {
      machine.servers.answer(B, "fail");
      await machine.clock.advance(20_000);
    },
    told: ["~ web: scheduler wrr -> dh", "- b: taken out while it is down, weight 0"],
  },
  {
    name: "a weight that was set by command ends where the file's changes",
    from: TWO,
    to: webConf([`a ${A}`, `b ${B} 60`]),
    meanwhile: async (_, { director, wait }) => {
      assert.ok((await wait(director.setWeight("web", "b", 10, { actor: "alice", reason: undefined }))).ok);
    },
    told: ["~ b: weight 10 -> 60"],
    ends: [`weight 10 of tcp:192.0.2.10:80 ${B}, set by alice`],
  },
  {
    name: "a disabled server stays at 0, whatever the file says",
    from: TWO,
    to: webConf([`a ${A}`, `b ${B} 60`]),
    meanwhile: async (_, { director, wait }) => {
      assert.ok((await wait(director.disable("web", "b", { actor: "alice", reason: undefined }, undefined))).ok);
    },
    told: [],
    untouched: ["web"],
  },
];

describe("a plan says what the reload then does", () => {
  for (const { name, from, to, meanwhile, ...expected } of cases)
    test(name, async () => {
      const machine = world();
      const daemon = await machine.start(from);
      await meanwhile?.(machine, daemon);
      const before = machine.kernel.written.length;
      const plan = await daemon.wait(daemon.director.plan(machine.config(to)));
      assert.deepEqual(told(plan.changes), expected.told);
      assert.deepEqual(plan.standing, []);
      assert.deepEqual(plan.unproven, expected.unproven ?? []);
      assert.deepEqual(plan.ends, expected.ends ?? []);
      assert.deepEqual(plan.untouched, expected.untouched ?? []);
      assert.equal(machine.kernel.written.length, before, "the plan itself wrote something");

      await daemon.reload(to);
      assert.deepEqual([...machine.kernel.written.slice(before)].sort(), rules(plan), "what the reload wrote");
      const after = await daemon.wait(daemon.director.plan(machine.config(to)));
      assert.deepEqual([told(after.changes), after.standing], [[], []], "after the reload there is nothing left");
    });

  test("over random files, with servers dead and disabled: what it says is what is written", async () => {
    const server = fc.record({ n: fc.integer({ min: 1, max: 5 }), weight: fc.constantFrom(0, 1, 30, 100) });
    const service = fc.record({
      servers: fc.uniqueArray(server, { minLength: 1, maxLength: 4, selector: ({ n }) => n }),
      lines: fc.subarray([
        "persistence: { timeout: 5m }",
        "protocol: udp",
        "removal_grace: 1m",
        "quorum: { up: 2, down: 1 }",
        "on_failure: remove",
        'sorry_server: { address: "10.0.0.9:80", check: { type: scripted } }',
      ]),
      scheduler: fc.constantFrom("wrr", "rr", "mh", "dh"),
    });
    const file = fc.uniqueArray(fc.record({ vip: fc.integer({ min: 1, max: 4 }), service }), {
      minLength: 1,
      maxLength: 3,
      selector: ({ vip }) => vip,
    });
    const text = (services: typeof file extends fc.Arbitrary<infer F> ? F : never) =>
      [
        "services:",
        ...services.flatMap(({ vip, service: { servers, lines, scheduler } }) => [
          `  - name: s${vip}`,
          `    vip: 192.0.2.${vip}:80`,
          `    scheduler: ${scheduler}`,
          "    check: { type: scripted }",
          ...lines.map((line) => `    ${line}`),
          "    servers:",
          ...servers.map(({ n, weight }) => `      - { name: n${n}, address: "10.0.0.${n}:80", weight: ${weight} }`),
        ]),
      ].join("\n");
    await fc.assert(
      fc.asyncProperty(
        file,
        file,
        fc.subarray([1, 2, 3, 4, 5, 9]),
        fc.subarray([1, 2, 3, 4, 5]),
        async (from, to, dead, disabled) => {
          const machine = world();
          const daemon = await machine.start(text(from));
          for (const n of dead) machine.servers.answer(`10.0.0.${n}:80`, "fail");
          for (const {
            vip,
            service: { servers },
          } of from)
            for (const { n } of servers)
              if (disabled.includes(n))
                await daemon.wait(
                  daemon.director.disable(`s${vip}`, `n${n}`, { actor: "a", reason: undefined }, undefined),
                );
          await machine.clock.advance(20_000);
          const before = machine.kernel.written.length;
          const plan = await daemon.wait(daemon.director.plan(machine.config(text(to))));
          await daemon.reload(text(to));
          assert.deepEqual([...machine.kernel.written.slice(before)].sort(), rules(plan));
          daemon.kill();
        },
      ),
      { numRuns: 60 },
    );
  });

  test("observe mode: without a change the difference stands, and the file that manages has it written", async () => {
    const machine = world();
    await machine.ipvsadm(
      "-A -t 192.0.2.10:80 -s wlc",
      `-a -t 192.0.2.10:80 -r ${A} -m -w 100`,
      `-a -t 192.0.2.10:80 -r ${C} -m -w 7`,
    );
    const observing = webConf([`a ${A}`, `b ${B}`], OBSERVE);
    const daemon = await machine.start(observing);
    const difference = [
      "~ web: scheduler wlc -> wrr",
      "+ b: masquerade, weight 100",
      `- ${C}: weight 7 -> 0; deleted when idle, after 10m at the latest`,
    ];
    const same = await daemon.wait(daemon.director.plan(machine.config(observing)));
    assert.deepEqual([told(same.standing), told(same.changes)], [difference, []]);
    const changed = await daemon.wait(daemon.director.plan(machine.config(webConf([`a ${A} 40`, `b ${B}`], OBSERVE))));
    assert.deepEqual([told(changed.standing), told(changed.changes)], [difference, ["~ a: weight 100 -> 40"]]);
    const managing = await daemon.wait(daemon.director.plan(machine.config(TWO)));
    assert.deepEqual([managing.standing, told(managing.changes)], [[], difference]);
    assert.equal(machine.kernel.writes, 0);
    await daemon.reload(TWO);
    assert.deepEqual([...machine.kernel.written].sort(), rules(managing));
  });

  test("drift that is left alone stands, and is no change of the file's", async () => {
    const machine = world();
    const text = webConf([`a ${A}`, `b ${B}`], { top: ["ipvs: { drift: report }"] });
    const daemon = await machine.start(text);
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${B} -m -w 33`);
    await machine.clock.advance(10_000);
    const plan = await daemon.wait(daemon.director.plan(machine.config(text)));
    assert.deepEqual([told(plan.standing), plan.changes], [["~ b: weight 33 -> 100"], []]);
  });

  test("a table that cannot be read is said so, and nothing else happens", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    machine.kernel.trouble = { kind: "rejects" };
    await assert.rejects(daemon.wait(daemon.director.plan(machine.config(TWO))), /timed out/);
    machine.kernel.trouble = undefined;
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });
});
