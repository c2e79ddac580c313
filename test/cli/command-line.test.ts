import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseDocument } from "yaml";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { actor, socketPath } from "../../src/cli/context.ts";
import { socketIn } from "../../src/cli/socket-in-file.ts";
import { cli, start } from "./support.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const drain = ["drain", "web", "--from", "old"];

describe("the command line", () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "director-words-"));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  function file(name: string, text: string): string {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  }

  const misused: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [[], /^Usage: director/m],
    [["statsu"], /director: unknown command 'statsu'\n\(Did you mean status\?\)/],
    [["status", "--bogus"], /director: unknown option '--bogus'/],
    [["run"], /director: required option '-c, --config <file>' not specified/],
    [["enable", "web"], /director: missing required argument 'server'/],
    [["enable", "web", "a", "b"], /too many arguments/],
    [["weight", "web", "a", "65536"], /weight 65536: expected a whole number from 0 to 65535, or "configured"/],
    [["weight", "web", "a", "1.5"], /weight 1\.5: expected/],
    [["disable", "web", "a", "--until", "yesterday"], /--until yesterday: expected a duration/],
    [["drain", "web"], /--from is missing/],
    [[...drain, "--over", "1s", "--every", "1s", "--idle", "none of it"], /Allowed choices are active, all, none\./],
    [["drain", "list", "--from", "a"], /option '--from' has no meaning for drain list/],
    [["drain", "settle", "--now"], /option '--now' has no meaning for drain settle/],
    [["drain", "abort", "d-1", "--force"], /option '--force' has no meaning for drain abort/],
    [["drain", "--all"], /unknown option '--all'/],
    [["drain", "pause", "web", "--all"], /web, or --all\? Say one of them/],
    [["undrain"], /which server\? director undrain SERVICE SERVER, or --host NAME/],
    [["undrain", "web"], /which server\?/],
    [["undrain", "web", "--host", "old"], /a server or a machine, not both: "web", --host old/],
    [["undrain", "web", "old", "--timeout", "60"], /--timeout 60: expected a duration/],
    [["reload", "--wait", "soon"], /--wait soon: expected a duration/],
    [["events", "--after", "x"], /--after x: expected the sequence number/],
    [["intent", "import", "/nonexistent"], /\/nonexistent: cannot be read: there is no such file/],
  ];
  for (const [args, says] of misused)
    test(`wrong usage ends with 2 and says what is wrong: ${args.join(" ") || "(nothing)"}`, async () => {
      const { code, stdout, stderr } = await cli(args);
      assert.match(stderr, says);
      assert.deepEqual([code, stdout], [2, ""]);
    });

  const documents: readonly (readonly [text: string, says: RegExp])[] = [
    ["{", /not JSON/],
    ['{"revision":"x"}', /no document of `director intent export`/],
  ];
  for (const [text, says] of documents)
    test(`an intent that is none is refused before anybody is asked: ${text}`, async () => {
      const { code, stderr } = await cli(["intent", "import", file("intent.json", text)]);
      assert.match(stderr, says);
      assert.equal(code, 2);
    });

  test("help and version go to stdout and end with 0; a command's help is about that command", async () => {
    const [help, version, abort] = await Promise.all([
      cli(["--help"]),
      cli(["--version"]),
      cli(["drain", "abort", "--help"]),
    ]);
    assert.match(help.stdout, /^ {2}drain \[service\] +move weight/m);
    assert.match(help.stdout, /^ {2}undrain \[service\] \[server\] +give a server back/m);
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
    assert.match(abort.stdout, /--reason/);
    assert.doesNotMatch(abort.stdout, /--over/);
    assert.deepEqual([help.code, version.code, abort.code, help.stderr], [0, 0, 0, ""]);
  });

  test("without a daemon every command ends with 69 and says where it looked and what to check", async () => {
    const socket = join(dir, "none.sock");
    for (const args of [["status"], ["drain", "list"], ["reload"], ["events", "-f"], ["intent", "export"]]) {
      const { code, stdout, stderr } = await cli(args, { DIRECTOR_SOCKET: socket });
      assert.deepEqual([code, stdout], [69, ""], args.join(" "));
      assert.match(stderr, new RegExp(`^director: cannot reach the daemon at ${socket}: there is no such socket\n`));
      assert.match(stderr, /systemctl status director/);
      assert.match(stderr, /DIRECTOR_SOCKET/);
    }
  });

  test("a socket that may not be opened, and a file that is none, have words of their own", async () => {
    const socket = join(dir, "closed.sock");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    chmodSync(socket, 0o640);
    chmodSync(dir, 0o755);
    // Root may open everything: as somebody else, then.
    const setpriv = process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
    const [command, ...args] = [...setpriv, process.execPath, main, "--socket", socket, "status"];
    if (setpriv.length > 0) {
      const { status, stderr } = spawnSync(command!, args, { encoding: "utf8" });
      assert.equal(status, 69, stderr);
      assert.match(stderr, /permission denied \(root:root, mode 0640; you are nobody\)\n {2}use sudo/);
    }
    server.close();
    const none = await cli(["--socket", file("plain", ""), "status"]);
    assert.equal(none.code, 69);
    assert.match(none.stderr, /nobody listens there/);
  });

  describe("config", () => {
    const good = `
control: { socket: /run/x.sock }
services:
  - name: web
    vip: 192.0.2.10:80
    check: { type: http, path: /health, interval: 1m30s }
    servers: [ { name: a, address: "10.0.0.1:80" }, { name: b, address: "10.0.0.2:80" } ]
  - { name: api, vip: "192.0.2.10:81", servers: [ { address: "10.0.0.1:80", check: none } ] }
`;
    const bad = "services:\n  - nmae: web\n    vip: 192.0.2.10\n";

    test("test: a good file is counted on stdout, its warnings go to stderr", async () => {
      const name = file("good.conf", good);
      const { code, stdout, stderr } = await cli(["config", "test", name]);
      assert.equal(stdout, `${name}: ok: 2 services, 3 servers, 2 different checks\n`);
      assert.match(stderr, new RegExp(`^${name}:8:\\d+: services\\[1\\].*: warning: nothing is checked`));
      assert.equal(code, 0);
    });

    test("test: a bad file ends with 78, every problem on a line of its own on stderr", async () => {
      const name = file("bad.conf", bad);
      const { code, stdout, stderr } = await cli(["config", "test", name]);
      assert.deepEqual([code, stdout], [78, ""]);
      const lines = stderr.trimEnd().split("\n");
      assert.ok(lines.length >= 3 && lines.every((line) => line.startsWith(`${name}:`)), stderr);
      assert.match(stderr, /:2:5: services\[0\]\.nmae: unknown key, did you mean "name"\?/);
    });

    test("test: standard input, with its includes below --base; problems as JSON for programs", async () => {
      file("more.yaml", good.replace(/^control.*$/m, ""));
      const { code, stdout } = await start(["config", "test", "-", "--base", dir, "--json"], {
        input: "include: [more.yaml]\n",
      }).ended;
      const reply = JSON.parse(stdout) as {
        ok: boolean;
        services: number;
        problems: { file: string; severity: string }[];
      };
      assert.deepEqual([code, reply.ok, reply.services], [0, true, 2]);
      assert.deepEqual(
        reply.problems.map((p) => [p.file, p.severity]),
        [[join(dir, "more.yaml"), "warning"]],
      );
    });

    test("show: every file as it is read, under its name", async () => {
      file("part.yaml", "pools: {}");
      const main = file("main.conf", `include: [part.yaml]\n${good}`);
      const { code, stdout } = await cli(["config", "show", main]);
      assert.equal(stdout, `# ${main}\ninclude: [part.yaml]\n${good}\n# ${join(dir, "part.yaml")}\npools: {}\n`);
      assert.equal(code, 0);
    });

    test("show --effective: one file that means the same, and the same again as JSON", async () => {
      const name = file("good.conf", good);
      const [yaml, json] = await Promise.all([
        cli(["config", "show", name, "--effective"]),
        cli(["config", "show", name, "--effective", "--json"]),
      ]);
      assert.deepEqual(loadConfigText(yaml.stdout, "x", "/").config, loadConfigText(good, "x", "/").config);
      assert.deepEqual(JSON.parse(json.stdout), parseDocument(yaml.stdout, { schema: "failsafe" }).toJS());
      assert.match(yaml.stdout, /fall: 3/);
      const broken = await cli(["config", "show", file("bad.conf", bad), "--effective"]);
      assert.deepEqual([broken.code, broken.stdout], [78, ""]);
    });

    test("schema: a JSON Schema that knows services and checks", async () => {
      const { code, stdout } = await cli(["config", "schema"]);
      const schema = JSON.parse(stdout) as { properties: object; $defs: object };
      assert.equal(code, 0);
      assert.ok("services" in schema.properties && "service" in schema.$defs);
    });

    test("run: a bad file ends with 78 and all its problems before anything is touched", async () => {
      const { code, stderr } = await start(["run", "-c", file("bad.conf", bad)]).ended;
      assert.equal(code, 78);
      assert.match(stderr, /services\[0\]\.nmae: unknown key/);
    });

    test("a reader that has seen enough ends the command without a word", async () => {
      // More than a pipe holds.
      const name = file(
        "large.conf",
        `${good.replace(", check: none", "")}${"# a comment that is rather long\n".repeat(20_000)}`,
      );
      const { child, ended, seen } = start(["config", "show", name]);
      await seen(/name: web/);
      child.stdout!.destroy();
      const { stderr } = await ended;
      assert.equal(stderr, "");
    });
  });

  test("what cannot be written is a failure, in one line", async () => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [main, "config", "schema"], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    closeSync(full);
    assert.equal(status, 1);
    assert.match(stderr, /^director: cannot write: ENOSPC[^\n]*\n$/m);
  });

  describe("whom to speak to, and who speaks", () => {
    const sockets: readonly (readonly [
      why: string,
      expected: string,
      option?: string | undefined,
      env?: string | undefined,
      further?: string,
    ])[] = [
      ["the option before all", "/a", "/a", "/b", "/c"],
      ["then the environment", "/b", undefined, "/b", "/c"],
      ["then the file", "/c", undefined, undefined, "/c"],
      ["an empty environment is none", "/c", undefined, "", "/c"],
      ["else the usual place", "/run/director/control.sock"],
    ];
    for (const [why, expected, socket, env, further] of sockets)
      test(why, () => {
        const options = socket === undefined ? {} : { socket };
        assert.equal(socketPath(options, env === undefined ? {} : { DIRECTOR_SOCKET: env }, further), expected);
      });

    const files: readonly (readonly [why: string, text: string, expected: string | undefined])[] = [
      ["a block", "control:\n  socket: /a.sock\n", "/a.sock"],
      ["a flow map, quoted", 'control: { mode: 0660, socket: "/a.sock" }\nservices: []\n', "/a.sock"],
      ["a file that is broken elsewhere", "control: { socket: /a.sock }\nservices: [ {\n  oops: : :\n", "/a.sock"],
      ["a file that does not say", "services: []\n", undefined],
      ["no path", "control: { socket: here }\n", undefined],
      ["a list where a map should be", "control: [ socket ]\n", undefined],
    ];
    for (const [why, text, expected] of files)
      test(`the socket in a file: ${why}`, () => assert.equal(socketIn(file("socket.conf", text)), expected));
    test("the socket in a file that is not there", () => assert.equal(socketIn(join(dir, "gone")), undefined));

    test("whoever called sudo is the one who gives the command", () => {
      assert.equal(actor({ SUDO_USER: "alice" }), "alice");
      assert.notEqual(actor({}), "");
    });
  });
});
