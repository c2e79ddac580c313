import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { commandText, doctorText } from "../../src/cli/doctor-text.ts";
import { CATALOGUE } from "../../src/doctor/finding.ts";
import { cli } from "../cli/support.ts";
import { examined, serviceText } from "./system.ts";

const dir = mkdtempSync(join(tmpdir(), "director-doctor-"));
after(() => rmSync(dir, { recursive: true }));
const fileWith = (text: string): string => {
  const file = join(dir, "director.conf");
  writeFileSync(file, text);
  return file;
};

describe("director doctor", () => {
  test("needs no daemon; as JSON each finding has all that is said of it", async () => {
    const { code, stdout } = await cli(["doctor", "--json", "-c", fileWith(serviceText())], {
      DIRECTOR_SOCKET: "/nonexistent",
    });
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Record<string, unknown>[] };
    assert.equal(code, ok ? 0 : 1, stdout);
    assert.equal(ok, !findings.some(({ severity }) => severity !== "hint"));
    for (const { id, severity, services, seen, why, fix } of findings) {
      assert.ok(Object.keys(CATALOGUE).includes(String(id)), String(id));
      assert.match(String(severity), /^(error|warning|hint)$/);
      assert.deepEqual(
        [typeof seen, typeof why, typeof fix, Array.isArray(services)],
        ["string", "string", "object", true],
      );
    }
  });

  test("a bad configuration is 78, with every problem, and nothing is looked at", async () => {
    const file = fileWith(serviceText({ vip: '"10.9.0.1"', wieght: "1" }));
    const { code, stdout, stderr } = await cli(["doctor", "-c", file]);
    assert.deepEqual([code, stdout], [78, ""]);
    assert.match(stderr, /wieght/);
    assert.match(stderr, /vip/);
  });

  test("an unknown option is 2", async () => {
    assert.equal((await cli(["doctor", "--fix"])).code, 2);
  });

  test("a table in memory uses nothing of this system", async () => {
    const { code, stdout } = await cli(["doctor", "-c", fileWith(`ipvs: { backend: memory }\n${serviceText()}`)]);
    assert.deepEqual(
      [code, stdout.split(": ").slice(1).join(": ")],
      [0, "ipvs.backend is memory: nothing of this system is used\n"],
    );
  });

  test("--apply is refused to anybody but root, before anything is done", {
    skip: process.geteuid?.() === 0 && "as root",
  }, async () => {
    const { code, stdout, stderr } = await cli(["doctor", "--apply", "-c", fileWith(serviceText())]);
    assert.deepEqual([code, stdout, stderr], [1, "", "director: --apply changes the system: it needs root\n"]);
  });
});

describe("its words", () => {
  const marked: string[] = [];
  const paint = (style: string, text: string) => {
    marked.push(`${style}: ${text}`);
    return text;
  };

  test("worst first, in colour; hints do not count as trouble", () => {
    const findings = examined(
      { addresses: ["eth0: 10.9.0.1/24 10.9.0.100/32"] },
      serviceText({ vip: '"10.9.0.100:80"', forward: "direct", servers: "[ { address: 10.9.0.11 } ]" }),
    );
    const [head] = doctorText("x.conf", { backend: "ipvsadm", root: true, findings, unseen: [] }, paint);
    assert.equal(head, "x.conf: nothing wrong; 1 hint");
    assert.ok(marked.includes("cyan: hint"));
    const trouble = examined({});
    const lines = doctorText("x.conf", { backend: "ipvsadm", root: true, findings: trouble, unseen: [] }, paint);
    assert.deepEqual(
      lines.filter((line) => /^(error|warning|x)/.test(line)),
      ["x.conf: 1 error, 1 warning", "error vs-conntrack  web", "warning snat-missing  web"],
    );
    assert.ok(marked.includes("red: error") && marked.includes("yellow: warning"));
  });

  test("what was not seen is said, and who would see it", () => {
    const said = (root: boolean) =>
      doctorText(
        "x.conf",
        { backend: "ipvsadm", root, findings: [], unseen: [{ what: "ipsets", reason: "no" }] },
        paint,
      );
    assert.deepEqual(said(false), [
      "x.conf: nothing found",
      "",
      "not seen, so not judged (run it as root)",
      "  ipsets: no",
    ]);
    assert.deepEqual(said(true)[2], "not seen, so not judged");
  });

  test("many services are counted, not listed", () => {
    const [finding] = examined({});
    const services = Array.from({ length: 9 }, (_, i) => `s${i}`);
    const lines = doctorText(
      "x.conf",
      { backend: "ipvsadm", root: true, findings: [{ ...finding!, services }], unseen: [] },
      paint,
    );
    assert.match(lines[2]!, /s0, s1, s2, s3, s4 and 4 more$/);
  });

  test("commands can be pasted into a shell", () => {
    assert.equal(commandText(["sysctl", "-w", "net.ipv4.ip_forward=1"]), "sysctl -w net.ipv4.ip_forward=1");
    assert.equal(
      commandText([
        "nft",
        "add",
        "chain",
        "ip",
        "director",
        "postrouting",
        "{ type nat hook postrouting priority srcnat ; }",
      ]),
      "nft add chain ip director postrouting '{ type nat hook postrouting priority srcnat ; }'",
    );
  });
});
