// director plan over the kernel's own table: before there is a daemon, in observe mode beside a table that somebody else keeps, and before the reload that
// takes it over. What the plan says is what is written, and the plan itself writes nothing.
// lab: topology=routed servers=3 timeout=120
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import type { PlanReply } from "../../src/control/shapes.ts";
import { directorProgram, run, savedRules, setTable, startActors, startDirector, step, until } from "./inside.ts";

const VIP = "10.100.0.1:80";
const { rs1, rs2, rs3 } = await startActors("rs1", "rs2", "rs3");
for (const [i, rs] of [rs1, rs2, rs3].entries()) await rs.listen({ kind: "http", name: `s${i + 1}`, port: 80 });

const config = (mode: string, weight = 100) => `
ipvs: { mode: ${mode} }
services:
  - name: web
    vip: ${VIP}
    check: { type: http, path: /, interval: 500ms, timeout: 500ms }
    servers:
      - { name: one, address: "10.9.1.2:80", weight: ${weight} }
      - { name: two, address: "10.9.2.2:80" }
`;
// As keepalived might have left it, with a service of somebody else's.
const FOUND = `
  -A -t ${VIP} -s wlc -p 50
  -a -t ${VIP} -r 10.9.1.2:80 -m -w 1
  -a -t ${VIP} -r 10.9.3.2:80 -m -w 1
  -A -t 10.100.0.1:8080 -s rr
  -a -t 10.100.0.1:8080 -r 10.9.3.2:80 -m -w 1`;
await setTable(FOUND);
const found = await savedRules();

/** `~ web: scheduler wlc -> wrr`: a line of a plan. */
const told = (changes: PlanReply["changes"]) =>
  changes.map(({ sign, service, server, what }) => `${sign} ${server?.name ?? service}: ${what}`);
const difference = (two: string) => [
  "~ web: scheduler wlc -> wrr, persistence 50s/32 -> none",
  `+ two: masquerade, weight ${two}`,
  "~ one: weight 1 -> 100",
  "- 10.9.3.2:80: weight 1 -> 0; deleted when idle, after 10m at the latest",
];

step(
  "without a daemon: what a start would change; servers with weight are taken for up, others wait for a pass",
  async () => {
    writeFileSync("/run/lab/plan.conf", `state: { directory: /run/lab/none }\n${config("manage")}`);
    const { code, stdout, stderr } = await run([
      directorProgram,
      "plan",
      "--offline",
      "-c",
      "/run/lab/plan.conf",
      "--json",
    ]);
    assert.equal(code, 0, stderr);
    const plan = JSON.parse(stdout) as PlanReply;
    assert.deepEqual(told(plan.changes), difference("0 until its checks have passed, then 100"));
    assert.equal(plan.offline, true);
    assert.equal(await savedRules(), found);
  },
);

const director = startDirector({ config: config("observe") });
await director.ready(60_000);

step("in observe mode the difference is shown at any time, and nothing is written", async () => {
  const { code, stdout } = await until(
    "both checks have passed",
    async () => {
      const ran = await director.cli("plan", "--exit-code");
      return /\+ +two .* masquerade, weight 100$/m.test(ran.stdout) ? ran : undefined;
    },
    { timeoutMs: 30_000, everyMs: 300 },
  );
  assert.equal(code, 0, "the file changes nothing");
  assert.equal(
    stdout,
    [
      "table differs: director would write this, were it not observe mode",
      `web  tcp ${VIP}`,
      "  ~  virtual service               scheduler wlc -> wrr, persistence 50s/32 -> none",
      "  +  two              10.9.2.2:80  masquerade, weight 100",
      "  ~  one              10.9.1.2:80  weight 1 -> 100",
      "  -  10.9.3.2:80                   weight 1 -> 0; deleted when idle, after 10m at the latest",
      "",
      "the file changes nothing; 1 service untouched",
      "",
    ].join("\n"),
  );
  assert.equal(await savedRules(), found);
});

step(
  "the file that takes it over: the plan is what the reload then writes, the other service is left alone",
  async () => {
    director.configure(config("manage", 50));
    const plan = (await director.json("plan", "--json")) as PlanReply;
    const expected = difference("100").map((line) => line.replace("1 -> 100", "1 -> 50"));
    assert.deepEqual(told(plan.changes), expected);
    assert.deepEqual([plan.standing, plan.refusals], [[], []]);
    assert.equal(await savedRules(), found);
    assert.equal((await director.cli("reload")).code, 0);
    const now = (await savedRules()).split("\n").map((line) => line.trim());
    for (const { rule } of plan.changes) {
      const listed = rule!.replace(/^-E/, "-A").replace(/^-e/, "-a");
      // At weight 0 it goes once it is idle, which may have been by now.
      if (!rule!.endsWith("-r 10.9.3.2:80 -m -w 0"))
        assert.ok(now.includes(listed), `${listed} is not in\n${now.join("\n")}`);
    }
    assert.ok(now.includes("-a -t 10.100.0.1:8080 -r 10.9.3.2:80 -m -w 1"));
    assert.match((await director.cli("plan")).stdout, /^nothing to change; 1 service untouched$/m);
  },
);

step("what a reload would refuse is said beforehand", async () => {
  director.configure(config("manage", 0).replace(/^ +- \{ name: two.*$/m, ""));
  const { code, stdout } = await director.cli("plan", "--exit-code");
  assert.equal(code, 1);
  assert.match(stdout, /refused without --force:\n {2}service web would lose 150 of its configured weight 150/);
  assert.equal((await director.cli("reload")).code, 1);
});
