import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runCommand } from "../../src/runtime/run-command.ts";
import { type Argv, type Privileges, programPath, withoutCapabilities } from "../../src/runtime/unprivileged.ts";

const NET_ADMIN = 1n << 12n;
const never = new AbortController().signal;
const SHOW: Argv = ["/bin/grep", "^Cap", "/proc/self/status"];
const root = process.getuid?.() === 0;

async function capabilities(argv: Argv): Promise<Readonly<Record<string, string>>> {
  const { code, stdout, stderr } = await runCommand(argv, { timeoutMs: 10_000 }, never);
  assert.equal(code, 0, stderr);
  return Object.fromEntries(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/:\s+/) as [string, string]),
  );
}

describe("withoutCapabilities", () => {
  const table: readonly [string, Privileges, string[] | "as it is"][] = [
    ["a user with nothing to hand on", { uid: 998, ambient: 0n, bounding: NET_ADMIN }, "as it is"],
    [
      "the unit's user",
      { uid: 998, ambient: NET_ADMIN, bounding: NET_ADMIN },
      ["--ambient-caps=-all", "--inh-caps=-all"],
    ],
    [
      "root",
      { uid: 0, ambient: 0n, bounding: 0x1ffffffffffn },
      ["--bounding-set=-all", "--ambient-caps=-all", "--inh-caps=-all"],
    ],
    [
      "root of a container that may not touch the network",
      { uid: 0, ambient: 0n, bounding: 0xa80405fbn & ~NET_ADMIN },
      "as it is",
    ],
  ];
  for (const [who, privileges, flags] of table)
    test(`${who}: ${flags === "as it is" ? flags : flags.join(" ")}`, () => {
      const result = withoutCapabilities(["/bin/check", "-x"], privileges, "/usr/bin/setpriv");
      const wanted =
        flags === "as it is" ? ["/bin/check", "-x"] : ["/usr/bin/setpriv", ...flags, "--", "/bin/check", "-x"];
      assert.deepEqual(result, { ok: true, value: wanted });
      const without = withoutCapabilities(["/bin/check", "-x"], privileges, "");
      assert.equal(without.ok, flags === "as it is");
    });

  test("without setpriv a command that would inherit capabilities is refused, by name of what is missing", () => {
    const refused = withoutCapabilities(["/bin/check"], { uid: 998, ambient: NET_ADMIN, bounding: NET_ADMIN }, "");
    assert.equal(refused.ok, false);
    assert.match(refused.ok ? "" : refused.error, /setpriv is missing/);
  });

  test("a program is found by path, by PATH and nowhere", () => {
    assert.equal(programPath("/bin/sh"), "/bin/sh");
    assert.match(programPath("setpriv") ?? "", /\/setpriv$/);
    assert.equal(programPath("no-such-program-anywhere"), undefined);
    assert.equal(programPath("/etc/passwd"), undefined);
    assert.equal(programPath("/usr/bin"), undefined);
  });

  test("a command of this very process gets none", async () => {
    const argv = withoutCapabilities(SHOW);
    assert.ok(argv.ok);
    const { CapEff, CapPrm, CapAmb } = await capabilities(argv.value);
    assert.deepEqual([CapEff, CapPrm, CapAmb], Array(3).fill("0000000000000000"));
  });

  test("an ambient CAP_NET_ADMIN, as the unit gives it, does not reach the command", {
    skip: !root && "needs root",
  }, async () => {
    const asUnit: Argv = [
      "setpriv",
      "--reuid=65534",
      "--clear-groups",
      "--inh-caps=+net_admin",
      "--ambient-caps=+net_admin",
      "--",
    ];
    const before = await capabilities([...asUnit, ...SHOW]);
    assert.equal(before.CapEff, "0000000000001000", "what is to be taken away is not there");
    const argv = withoutCapabilities(SHOW, { uid: 65534, ambient: NET_ADMIN, bounding: NET_ADMIN });
    assert.ok(argv.ok);
    const { CapEff, CapPrm, CapAmb, CapInh } = await capabilities([...asUnit, ...argv.value]);
    assert.deepEqual([CapEff, CapPrm, CapAmb, CapInh], Array(4).fill("0000000000000000"));
  });
});
