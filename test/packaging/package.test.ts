import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { buildDeb, maintainer } from "../../packaging/deb.ts";
import { changelog } from "../../packaging/layout.ts";
import { libraries } from "../../packaging/libraries.ts";
import { readPackage } from "../../packaging/program.ts";
import { checkout, walk } from "../../packaging/staging.ts";
import { loadConfigText } from "../../src/cli/config-file.ts";

const text = (path: string) => readFileSync(join(checkout, path), "utf8");
const missing = ["dpkg-deb", "strip", "readelf"].filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
const skip = missing.length > 0 ? `no package can be built here without ${missing.join(", ")}` : false;

const folder = mkdtempSync(join(tmpdir(), "director-package-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("the package", { skip }, () => {
  const build = (out: string) => buildDeb(["--version", "7.8.9", "--out", join(folder, out), "--compress", "none"]);
  const sum = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
  const root = join(folder, "root");
  const home = join(root, "usr/lib/director");
  const node = (...args: readonly string[]) =>
    spawnSync(join(home, "node"), [...args], { encoding: "utf8", cwd: "/", env: {} });
  let deb = "";

  test("built twice, by others: the same bytes", () => {
    deb = build("one");
    const umask = process.umask(0o077);
    try {
      assert.equal(sum(build("two")), sum(deb));
    } finally {
      process.umask(umask);
    }
  });

  test("everything is root's, to read for all and to write for nobody else", () => {
    const lines = execFileSync("dpkg-deb", ["--contents", deb], { encoding: "utf8" }).trim().split("\n");
    assert.deepEqual(
      lines.filter((line) => !/^(drwxr-xr-x|-rwxr-xr-x|-rw-r--r--) root\/root /.test(line)),
      [],
    );
    const programs = lines.filter((line) => line.startsWith("-rwx")).map((line) => line.split(" ").at(-1));
    const scripts = ["bird/director-bird", "director-up"].map((name) => `./usr/lib/director/contrib/${name}`);
    assert.deepEqual(programs.sort(), ["./usr/bin/director", ...scripts, "./usr/lib/director/node"]);
    execFileSync("dpkg-deb", ["--extract", deb, root]);
  });

  test("its program runs with its own Node, is of the version asked for, and knows a file as the sources do", () => {
    const main = join(home, "src/main.js");
    assert.equal(node(main, "--version").stdout, "7.8.9\n");
    for (const file of ["etc/director/director.conf", "usr/share/doc/director/examples/director.conf"]) {
      const { status, stdout, stderr } = node(main, "config", "test", join(root, file));
      assert.deepEqual([status, /: ok: /.test(stdout + stderr)], [0, true], stderr);
    }
    const wrong = join(folder, "wrong.conf");
    writeFileSync(wrong, "servces: []\n");
    assert.deepEqual(
      node(main, "config", "test", wrong).stderr,
      spawnSync(join(checkout, "bin/director"), ["config", "test", wrong], { encoding: "utf8" }).stderr,
    );
    assert.equal(node("--version").stdout, `${process.version}\n`, "not the Node that the tests run with");
  });

  test("every manual page that the unit names is there", () => {
    const unit = readFileSync(join(root, "usr/lib/systemd/system/director.service"), "utf8");
    const named = Array.from(
      unit.matchAll(/man:(\S+)\((\d)\)/g),
      ([, name, section]) => `man${section}/${name}.${section}.gz`,
    );
    assert.ok(named.length > 0);
    assert.deepEqual(
      named.filter((page) => !existsSync(join(root, "usr/share/man", page))),
      [],
    );
  });

  test("what contrib has is all there: scripts find each other, and the unit its script", () => {
    const contrib = join(home, "contrib");
    const examples = join(root, "usr/share/doc/director/examples");
    const brought = [contrib, examples].flatMap((place) => walk(place).map((path) => path.slice(place.length + 1)));
    const ours = walk(join(checkout, "contrib")).map((path) => path.slice(join(checkout, "contrib/").length));
    assert.deepEqual(
      ours.filter((path) => !brought.includes(path) && !path.endsWith(".test.yml")),
      [],
    );
    const unit = readFileSync(join(contrib, "bird/director-bird@.service"), "utf8");
    const [, command = ""] = /^ExecStart=(\S+) /m.exec(unit) ?? [];
    assert.ok(existsSync(join(root, command)), command);
    const up = join(folder, "up");
    mkdirSync(up);
    writeFileSync(join(up, "web"), "1\n");
    const asked = spawnSync(join(contrib, "bird/../director-up"), ["web"], {
      env: { ...process.env, DIRECTOR_UP: up },
    });
    assert.equal(asked.status, 0);
  });

  test("every module is there without its types, line by line where it stood, and finds what it imports", () => {
    const modules = walk(join(home, "src")).filter((path) => path.endsWith(".js") && !path.includes("/client/"));
    const sources = walk(join(checkout, "src")).filter((path) => path.endsWith(".ts"));
    assert.equal(modules.length, sources.length);
    const packages = new Set<string>();
    for (const path of modules) {
      const code = readFileSync(path, "utf8");
      const source = readFileSync(path.replace(home, checkout).replace(/js$/, "ts"), "utf8");
      assert.equal(code.split("\n").length, source.split("\n").length, path);
      for (const [, specifier = ""] of code.matchAll(/(?:\bfrom|\bimport\(|\bnew URL\(|^import)\s*"([^"\n]+)"/gm)) {
        if (specifier.startsWith(".")) assert.ok(existsSync(join(dirname(path), specifier)), `${path}: ${specifier}`);
        else if (!specifier.startsWith("node:")) packages.add(specifier);
      }
    }
    assert.ok(packages.size > 5);
    const all = [...packages].map((name) => `await import(${JSON.stringify(name)});`).join("\n");
    const script = join(home, "all.mjs");
    writeFileSync(script, all);
    assert.deepEqual(node(script).stderr, "");
  });

  test("of the packages only those for production, and nobody's licence is forgotten", () => {
    const there = readdirSync(join(home, "node_modules"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith("/package.json") && statSync(join(home, "node_modules", path)).isFile())
      .map((path) => `node_modules/${dirname(path)}`);
    const folders = libraries().map((library) => library.folder);
    assert.deepEqual(
      folders.filter((each) => !there.includes(each)),
      [],
    );
    const declared = Object.keys((JSON.parse(text("package.json")) as { dependencies: object }).dependencies);
    assert.deepEqual(
      declared.filter((name) => !folders.includes(`node_modules/${name}`)),
      [],
    );
    assert.ok(!there.some((path) => /typescript|biome|fast-check|node-linux/.test(path)));
    const copyright = readFileSync(join(root, "usr/share/doc/director/copyright"), "utf8");
    for (const each of ["node", ...folders.map((name) => `${name}/*`)]) {
      const [, paragraph = ""] = copyright.split(`\nFiles: usr/lib/director/${each}\n`);
      assert.match(paragraph, /^Copyright: .*\S.*\n(?: .*\n)*License: \S+\n(?: .*\n){5}/, each);
    }
  });

  test("it says what it needs, and dpkg knows what the administrator may change", () => {
    const field = (name: string) => execFileSync("dpkg-deb", ["--field", deb, name], { encoding: "utf8" }).trim();
    assert.match(field("Depends"), /^libc6 \(>= 2\.\d+\), .*ipvsadm, .*systemd/);
    assert.equal(field("Version"), "7.8.9");
    const conffiles = execFileSync("dpkg-deb", ["--info", deb, "conffiles"], { encoding: "utf8" });
    assert.equal(conffiles, "/etc/director/director.conf\n");
    const listed = execFileSync("dpkg-deb", ["--info", deb, "md5sums"], { encoding: "utf8" }).trim().split("\n");
    const files = walk(root).filter((path) => statSync(path).isFile() && !path.endsWith("all.mjs"));
    assert.equal(listed.length, files.length - 1);
  });
});

describe("what is packaged", () => {
  test("the daemon gets the same settings of V8 as from the sources", () => {
    const settings = (path: string) => {
      const [, run] = /^ {2}run\)\n([\s\S]*?)^ {4};;$/m.exec(text(path)) ?? [];
      const [, all] = /^exec \S+ (.*) "\$@"$/m.exec(text(path)) ?? [];
      return { run: run?.replace(/\S*\/src\/main\.[jt]s"?/, "MAIN"), all };
    };
    assert.match(settings("packaging/director").run!, /set -- --\S+ .*MAIN "\$@"$/m);
    assert.deepEqual(settings("packaging/director"), settings("bin/director"));
  });

  test("director.conf keeps no service; its example is a good file once it is uncommented", () => {
    const shipped = text("packaging/director.conf");
    const none = loadConfigText(shipped, "director.conf", ".");
    assert.deepEqual([none.problems, none.config?.services], [[], []]);
    const [head = "", example = ""] = shipped.split("services: []\n");
    const uncommented = `${head.replace("allow_empty: true\n", "")}${example.replaceAll(/^# ?/gm, "")}`;
    const { config, problems } = loadConfigText(uncommented.replace("# http:", "http:"), "director.conf", ".");
    assert.deepEqual(problems, []);
    assert.deepEqual(
      config?.services.map(({ name, servers }) => [name, servers.length]),
      [["web", 2]],
    );
  });

  test("who builds it may say who passes it on", () => {
    assert.equal(maintainer({}), "director maintainers <maintainers@director.invalid>");
    const env = { DEBFULLNAME: "Alice Example", DEBEMAIL: "alice@example.com" };
    assert.equal(maintainer(env), "Alice Example <alice@example.com>");
    for (const [name, address] of [
      ["Alice", "alice"],
      ["Alice", "alice@example.com>, <bob@example.com"],
      ["Alice\nEssential: yes", "alice@example.com"],
    ] as const)
      assert.throws(() => maintainer({ DEBFULLNAME: name, DEBEMAIL: address }), /nobody is called/);
  });

  test("the changelog is that of this version", () => {
    assert.ok(changelog().startsWith(`director (${readPackage(checkout).version}) `));
  });
});
