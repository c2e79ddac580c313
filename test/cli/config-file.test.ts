import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { loadConfigFile, loadConfigText } from "../../src/cli/config-file.ts";
import { formatProblem } from "../../src/config/parse.ts";

const service = (name: string, port: number) =>
  `services: [ { name: ${name}, vip: "192.0.2.1:${port}", servers: [ { address: "10.0.0.1:80" } ] } ]\n`;

describe("director.conf and what it includes", () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "director-files-"));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  function write(files: Readonly<Record<string, string | Uint8Array>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, name)), { recursive: true });
      writeFileSync(join(dir, name), text);
    }
  }

  function load(name: string): {
    readonly services: readonly string[] | undefined;
    readonly problems: readonly string[];
  } {
    const { config, problems } = loadConfigFile(join(dir, name));
    const lines = problems.map((problem) => formatProblem(problem).replaceAll(`${dir}/`, ""));
    return { services: config?.services.map((s) => s.name), problems: lines };
  }

  test("a pattern finds its files beside the main file, in the order of their names, hidden ones left out", () => {
    write({
      "a/director.conf": `include: ["conf.d/*.yaml"]\n${service("main", 1)}`,
      "a/conf.d/b.yaml": service("b", 2),
      "a/conf.d/10.yaml": service("ten", 3),
      "a/conf.d/B.yaml": service("B", 4),
      "a/conf.d/.#b.yaml": "{",
      "a/conf.d/b.yaml~": "{",
    });
    assert.deepEqual(load("a/director.conf"), { services: ["main", "ten", "B", "b"], problems: [] });
  });

  test("problems of an included file are reported under its own path", () => {
    write({ "b/director.conf": `include: [extra.yaml]\n${service("main", 1)}`, "b/extra.yaml": "servces: []\n" });
    const { services, problems } = load("b/director.conf");
    assert.equal(services, undefined);
    assert.match(problems.join("\n"), /^b\/extra\.yaml:1:1: servces: unknown key/m);
  });

  test("a pattern may match nothing", () => {
    write({ "c/director.conf": `include: ["conf.d/*.yaml"]\n${service("main", 1)}`, "c/conf.d/readme": "" });
    assert.deepEqual(load("c/director.conf"), { services: ["main"], problems: [] });
  });

  const refusals: readonly (readonly [why: string, include: string, prepare: () => void, expected: RegExp])[] = [
    [
      "a file that is not there",
      "gone.yaml",
      () => {},
      /^d\/director\.conf:1:12: include\[0\]: d\/gone\.yaml: cannot be read: there is no such file$/,
    ],
    [
      "a folder that is not there",
      "gone.d/*.yaml",
      () => {},
      /include\[0\]: d\/gone\.d: cannot be read: there is no such folder$/,
    ],
    [
      "a file where a folder should be",
      "file/*.yaml",
      () => write({ "d/file": "" }),
      /include\[0\]: d\/file: is no folder$/,
    ],
    [
      "a folder where a file should be",
      "folder",
      () => mkdirSync(join(dir, "d/folder"), { recursive: true }),
      /d\/folder: is a folder, not a file$/,
    ],
    [
      "a pipe that would be waited for",
      "pipes/*",
      () => {
        mkdirSync(join(dir, "d/pipes"), { recursive: true });
        execFileSync("mkfifo", [join(dir, "d/pipes/p")]);
      },
      /d\/pipes\/p: is no regular file$/,
    ],
    [
      "links in a circle",
      "circle",
      () => symlinkSync("circle", join(dir, "d/circle")),
      /d\/circle: cannot be read: too many symbolic links/,
    ],
    [
      "bytes that are no text",
      "latin1",
      () => write({ "d/latin1": Uint8Array.of(0x23, 0xe4) }),
      /d\/latin1: is no UTF-8 text$/,
    ],
  ];
  for (const [why, include, prepare, expected] of refusals)
    test(`refused with the place of the pattern: ${why}`, () => {
      write({ "d/director.conf": `include: [ "${include}" ]\n${service("main", 1)}` });
      prepare();
      const { services, problems } = load("d/director.conf");
      assert.equal(services, undefined);
      assert.match(problems.join("\n"), expected);
    });

  test("a folder that may not be read is no empty folder", () => {
    write({
      "e/director.conf": `include: ["closed/*.yaml"]\n${service("main", 1)}`,
      "e/closed/x.yaml": service("x", 2),
    });
    chmodSync(dir, 0o755);
    chmodSync(join(dir, "e/closed"), 0);
    const root = process.geteuid?.() === 0;
    // Root reads everything: as somebody else, then.
    if (root) process.seteuid?.(65_534);
    const { problems } = load("e/director.conf");
    if (root) process.seteuid?.(0);
    chmodSync(join(dir, "e/closed"), 0o700);
    assert.match(problems.join("\n"), /closed: cannot be read: permission denied for user id \d+$/);
  });

  test("a main file that is missing, a folder or no text is one problem at its beginning", () => {
    write({ "f/latin1.conf": Uint8Array.of(0xff, 0xfe, 0x61) });
    assert.deepEqual(load("f/gone.conf").problems, ["f/gone.conf:1:1: cannot be read: there is no such file"]);
    assert.deepEqual(load("f").problems, [`f:1:1: is a folder, not a file`]);
    assert.deepEqual(load("f/latin1.conf").problems, ["f/latin1.conf:1:1: is no UTF-8 text"]);
  });

  test("a text from elsewhere finds its includes below the folder that is named", () => {
    write({ "g/conf.d/x.yaml": service("x", 2) });
    const { config, problems } = loadConfigText(`include: ["conf.d/*.yaml"]\n`, "<stdin>", join(dir, "g"));
    assert.deepEqual(problems, []);
    assert.deepEqual(
      config?.services.map((s) => s.name),
      ["x"],
    );
  });

  test("an absolute pattern looks where it says", () => {
    write({
      "h/x.yaml": service("x", 2),
      "i/director.conf": `include: ["${join(dir, "h")}/*.yaml"]\n${service("main", 1)}`,
    });
    assert.deepEqual(load("i/director.conf"), { services: ["main", "x"], problems: [] });
  });
});
