import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { doctorText } from "../../src/cli/doctor-text.ts";
import { plain } from "../../src/cli/output.ts";
import { CATALOGUE } from "../../src/doctor/finding.ts";
import { examined } from "../doctor/system.ts";

const root = join(import.meta.dirname, "../..");
const text = readFileSync(join(root, "docs/doctor.md"), "utf8");

describe("docs/doctor.md", () => {
  test("its table is the catalogue", () => {
    const rows = Object.entries(CATALOGUE).map(([id, [severity, words]]) => `| \`${id}\` | ${severity} | ${words} |`);
    assert.deepEqual(
      text.split("\n").filter((line) => line.startsWith("| `")),
      rows,
    );
  });

  test("what it shows is what is printed", () => {
    const [, shown] = /^```console\n\$ sudo director doctor\n([\s\S]*?)^```$/m.exec(text)!;
    const findings = examined({ sysctls: { "net.ipv4.ip_forward": 0 } });
    const file = "/etc/director/director.conf";
    const printed = doctorText(file, { backend: "ipvsadm", root: true, findings, unseen: [] }, plain);
    assert.equal(shown, `${printed.join("\n")}\n`);
  });

  test("the settings it names are those that are installed", () => {
    const set = [
      ...readFileSync(join(root, "systemd/director.sysctl"), "utf8").matchAll(/^-net\.ipv4\.vs\.(\w+) = (\d)$/gm),
    ];
    assert.equal(set.length, 3);
    for (const [, name, value] of set) assert.ok(text.includes(`\`${name}=${value}\``), name);
    const [, start] = /^ExecStartPre=(.*)$/m.exec(readFileSync(join(root, "systemd/director.service"), "utf8"))!;
    assert.ok(text.includes(`\`ExecStartPre=${start}\``));
  });
});
