import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { cli } from "./support.ts";

const POOL = "delay_loop 5\nreal_server 10.0.0.1 80 {\nTCP_CHECK {\n}\n}\n";
const EXACT = `virtual_server 192.0.2.1 80 {\nprotocol TCP\n${POOL}}\n`;

describe("director import", () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "director-import-"));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  function file(name: string, text: string): string {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  }

  test("0: the file on stdout, hints on stderr, and config test takes it", async () => {
    const { code, stdout, stderr } = await cli(["import", "keepalived", file("exact.conf", EXACT)]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^# Made of .*exact\.conf/);
    assert.match(stderr, /exact\.conf:1: hint on_failure: remove: .*\n/);
    assert.match(stderr, /director: written, exact\n$/);
    const tested = await cli(["config", "test", file("exact.yaml", stdout)]);
    assert.match(tested.stdout, /ok: 1 service, 1 server, 1 different check/);
  });

  test("1: written with losses, each with its line", async () => {
    const original = file("lossy.conf", EXACT.replace("delay_loop 5", "omega"));
    const { code, stdout, stderr } = await cli(["import", "keepalived", original]);
    assert.equal(code, 1);
    assert.match(stderr, /lossy\.conf:3: dropped omega: /);
    assert.match(stderr, /director: written with losses: 1 dropped\n$/);
    assert.match(stdout, /^ {2}# dropped \(line 3\) omega: /m);
  });

  for (const [what, name, text] of [
    ["braces that do not match", "open.conf", "virtual_server 192.0.2.1 80 {\n"],
    ["no virtual server", "vrrp.conf", "vrrp_instance A {\n}\n"],
  ] as const)
    test(`65: ${what}, nothing is written`, async () => {
      const target = join(dir, `${name}.yaml`);
      const { code, stdout, stderr } = await cli(["import", "keepalived", file(name, text), "-o", target]);
      assert.deepEqual([code, stdout], [65, ""]);
      assert.match(stderr, new RegExp(`${name}:1: stopped `));
      assert.match(stderr, /director: refused, nothing is written\n$/);
      assert.equal(existsSync(target), false);
    });

  test("65: no such file", async () => {
    const { code, stderr } = await cli(["import", "ldirectord", join(dir, "none.cf")]);
    assert.equal(code, 65);
    assert.match(stderr, /none\.cf cannot be read: there is no such file/);
  });

  test("--output writes no file that is there, unless --force", async () => {
    const target = file("there.yaml", "mine\n");
    const refused = await cli(["import", "keepalived", file("a.conf", EXACT), "--output", target]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /there\.yaml is there already: --force writes over it/);
    assert.equal(readFileSync(target, "utf8"), "mine\n");
    const forced = await cli(["import", "keepalived", file("a.conf", EXACT), "--output", target, "--force"]);
    assert.deepEqual([forced.code, forced.stdout], [0, ""]);
    assert.match(readFileSync(target, "utf8"), /^services:/m);
  });

  test("includes: beside the file, by their names; what can be executed is not read", async () => {
    mkdirSync(join(dir, "conf.d"));
    for (const n of [2, 1, 3]) file(`conf.d/${n}.conf`, EXACT.replace("192.0.2.1", `192.0.2.${n}`));
    chmodSync(join(dir, "conf.d/3.conf"), 0o755);
    const { code, stdout, stderr } = await cli(["import", "keepalived", file("main.conf", "include conf.d/*.conf\n")]);
    assert.equal(code, 1);
    assert.deepEqual(
      [...stdout.matchAll(/name: (.*)/g)].map(([, name]) => name),
      ["192.0.2.1:80", "192.0.2.2:80"],
    );
    assert.match(stderr, /main\.conf:1: dropped include .*3\.conf: can be executed/);
  });

  test("comments may be of another century", async () => {
    writeFileSync(
      join(dir, "latin1.conf"),
      Buffer.from(`# f\xfcr alle\r\n${EXACT.replaceAll("\n", "\r\n")}`, "latin1"),
    );
    assert.equal((await cli(["import", "keepalived", join(dir, "latin1.conf")])).code, 0);
  });

  test("--config-id chooses the lines of a machine", async () => {
    const original = file("id.conf", EXACT.replace("delay_loop 5", "@a delay_loop 7\n@b delay_loop 9"));
    const { code, stdout } = await cli(["import", "keepalived", "--config-id", "b", original]);
    assert.equal(code, 0);
    assert.match(stdout, /interval: 9s/);
  });

  for (const [what, name, globals] of [
    ["alone", "o.conf", ""],
    ["beside what stands there", "t.conf", "global_defs {\nlvs_timeouts tcp 900 udp 60\n}\n"],
  ] as const)
    test(`--observe: the file begins in observe mode, ${what}; one word changes that`, async () => {
      const { code, stdout } = await cli(["import", "keepalived", "--observe", file(name, globals + EXACT)]);
      assert.equal(code, 0);
      assert.match(stdout, /^ipvs:\n {2}mode: observe\n/m);
      for (const mode of ["observe", "manage"]) {
        const shown = await cli([
          "config",
          "show",
          "--effective",
          file(`${mode}.yaml`, stdout.replace("mode: observe", `mode: ${mode}`)),
        ]);
        assert.match(shown.stdout, new RegExp(`mode: ${mode}`));
        assert.equal(/udp: 1m/.test(shown.stdout), globals !== "", shown.stdout);
      }
    });

  test("--recommended leaves three things to director", async () => {
    const { stdout } = await cli(["import", "keepalived", "--recommended", file("r.conf", EXACT)]);
    assert.doesNotMatch(stdout, /^ *(on_failure|initial|rise):/m);
  });

  test("--json, for programs", async () => {
    const { code, stdout, stderr } = await cli([
      "--json",
      "import",
      "keepalived",
      file("j.conf", EXACT.replace("delay_loop 5", "omega")),
    ]);
    const { exact, text, notes } = JSON.parse(stdout);
    assert.deepEqual([code, exact, stderr], [1, false, ""]);
    assert.match(text, /^services:/m);
    assert.deepEqual(notes.find((note: { readonly kind: string }) => note.kind === "dropped").place, {
      file: join(dir, "j.conf"),
      line: 3,
    });
  });

  test("ldirectord.cf", async () => {
    const { code, stdout } = await cli([
      "import",
      "ldirectord",
      file("l.cf", "virtual=192.0.2.1:80\n\treal=10.0.0.1:80 masq\n"),
    ]);
    assert.equal(code, 0);
    assert.match(stdout, /type: http/);
  });
});
