// A keepalived.conf is imported and run: the kernel's table after the start, with servers dead and with them back is the one keepalived writes, line for line
// (by its source, check/ipwrapper.c).
// lab: topology=routed servers=3 timeout=150
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { directorProgram, run, savedRules, startActors, startDirector, step, until } from "../inside.ts";

/** Three virtual servers, each with another way to treat a dead server. */
const original = `
$EVERY= \\
    delay_loop 0.5 \\
    delay_before_retry 0.3 \\
    connect_timeout 2
virtual_server 10.100.0.1 80 {
    $EVERY
    lb_algo wrr
    lb_kind NAT
    protocol TCP
    sorry_server 10.9.3.2 80
    ~LST({I, W}, {1, 3}, {2, 1}) real_server 10.9.$\{I}.2 80 { $POOL
}
virtual_server 10.100.0.1 8080 {
    $EVERY
    lb_algo rr
    protocol TCP
    inhibit_on_failure
    persistence_timeout 60
    real_server 10.9.1.2 80 { TCP_CHECK { } }
    real_server 10.9.2.2 80 { TCP_CHECK { } }
}
virtual_server fwmark 7 {
    $EVERY
    lb_algo wlc
    lb_kind DR
    alpha
    real_server 10.9.1.2 80 { weight 5 }
}
`;
const pool = "$POOL= \\\n weight $W \\\n HTTP_GET { \\\n url { \\\n path /health \\\n } \\\n } \\\n }\n";

const services = ["-A -t 10.100.0.1:80 -s wrr", "-A -t 10.100.0.1:8080 -s rr -p 60", "-A -f 7 -s wlc"];
const [first, second, sorry] = ["10.9.1.2:80 -m -w 3", "10.9.2.2:80 -m -w 1", "10.9.3.2:80 -m -w 1"].map(
  (server) => `-a -t 10.100.0.1:80 -r ${server}`,
) as [string, string, string];
const inhibited = (one: 0 | 1, other: 0 | 1) => [
  `-a -t 10.100.0.1:8080 -r 10.9.1.2:80 -m -w ${one}`,
  `-a -t 10.100.0.1:8080 -r 10.9.2.2:80 -m -w ${other}`,
];
const marked = "-a -f 7 -r 10.9.1.2:0 -g -w 5";

/** Waits until the table has exactly these lines, in whatever order. */
async function tableIs(...lines: readonly string[]): Promise<void> {
  const wanted = [...services, ...lines].sort();
  const found = async () =>
    (await savedRules())
      .trim()
      .split("\n")
      .map((line) => line.trim())
      .sort();
  await until("that table", async () => (await found()).join("\n") === wanted.join("\n"), { timeoutMs: 30_000 }).catch(
    async () => assert.deepEqual(await found(), wanted),
  );
}

const file = "/run/lab/keepalived.conf";
writeFileSync(file, pool + original);
const imported = await run([directorProgram, "import", "keepalived", file, "-o", "/run/lab/imported.conf"]);
const { rs1, rs2, rs3 } = await startActors("rs1", "rs2", "rs3");
const a = await rs1.listen({ kind: "http", name: "a", port: 80 });
const b = await rs2.listen({ kind: "http", name: "b", port: 80 });
await rs3.listen({ kind: "http", name: "sorry", port: 80 });

step("nothing of the file is lost", () => {
  assert.deepEqual([imported.code, /written .*exact/.test(imported.stderr)], [0, true], imported.stderr);
});

const director = startDirector({ config: readFileSync("/run/lab/imported.conf", "utf8") });

step("the start: every server with its weight", async () => {
  await director.ready();
  await tableIs(first, second, ...inhibited(1, 1), marked);
});

step(
  "one is dead: deleted, and at weight 0 where inhibit_on_failure stands; a server without a checker stays",
  async () => {
    await a.behave("refuse");
    await tableIs(second, ...inhibited(0, 1), marked);
  },
);

step("all are dead: the sorry server", async () => {
  await b.behave("refuse");
  await tableIs(sorry, ...inhibited(0, 0), marked);
});

step("they are back: the table of the start", async () => {
  await a.behave("ok");
  await b.behave("ok");
  await tableIs(first, second, ...inhibited(1, 1), marked);
});
