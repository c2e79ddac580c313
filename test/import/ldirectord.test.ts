import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Service } from "../../src/model/service.ts";
import { configOf, runLdirectord } from "./support.ts";

function only(text: string): Service {
  const [service, ...others] = configOf(runLdirectord(text)).services;
  assert.equal(others.length, 0);
  return service!;
}

const virtual = (lines: readonly string[], real = "real=10.0.0.1:8080 masq", head = "virtual=192.0.2.10:80") =>
  `${[head, real, ...lines].join("\n\t")}\n`;
const service = (...lines: string[]) => only(virtual(lines));
const check = (...lines: string[]) => service(...lines).servers[0]?.checks[0];
/** What of a check's options is looked at here. */
interface Options {
  readonly path?: string;
  readonly host?: string;
  readonly verify?: boolean;
  readonly command?: readonly string[];
  readonly name?: string;
  readonly record?: string;
  readonly expect?: { readonly body?: unknown; readonly answer?: unknown };
}

const asked = (...lines: string[]) => {
  const found = check(...lines);
  return found?.options as Options | undefined;
};

describe("what belongs to a virtual", () => {
  const two = "virtual=192.0.2.10:80\n\treal=10.0.0.1:80 masq\n";
  for (const [what, text, servers] of [
    ["what is indented by a tab", `${two}\treal=10.0.0.2:80 masq\n`, 2],
    ["or by four blanks", `${two}    real=10.0.0.2:80 masq\n`, 2],
    ["comments do not end it, wherever they begin", `${two}# c\n  # d\n\treal=10.0.0.2:80 masq # e\n`, 2],
    ["a blank line ends it", `${two}\n\treal=10.0.0.2:80 masq\n`, 1],
    ["three blanks end it", `${two}   real=10.0.0.2:80 masq\n`, 1],
    ["a range of addresses", "virtual=192.0.2.10:80\n\treal=10.0.0.254->10.0.1.1:80 masq\n", 4],
  ] as const)
    test(what, () => assert.equal(only(text).servers.length, servers));

  test("lines of no virtual are named, ldirectord does not start with them", () => {
    assert.deepEqual(runLdirectord(`${two}\n\treal=10.0.0.2:80 masq\nwhat=1\n`).losses, [
      "refused l.cf:4 real=10.0.0.2:80 masq",
      "refused l.cf:5 what = 1",
    ]);
  });
});

describe("what a virtual becomes", () => {
  const table: readonly (readonly [
    what: string,
    lines: readonly string[],
    of: (service: Service) => unknown,
    expected: unknown,
  ])[] = [
    [
      "wrr, weight 1, deleted when dead, adopted at the start",
      [],
      (s) => [s.scheduler, s.servers[0]?.weight, s.onFailure, s.initial],
      ["wrr", 1, "remove", "adopt"],
    ],
    ["quiescent=yes", ["quiescent=yes"], (s) => s.onFailure, "quiesce"],
    [
      "persistent",
      ["persistent=600", "netmask=255.255.255.0"],
      (s) => [s.persistence?.timeoutSec, s.persistence?.prefix.v4],
      [600, 24],
    ],
    ["a netmask alone is nothing", ["netmask=255.255.255.0"], (s) => s.persistence, undefined],
    [
      "fallback goes by gate",
      ["fallback=10.0.0.9:81"],
      (s) => [s.sorryServer?.forwarding.kind, s.sorryServer?.port],
      ["direct", undefined],
    ],
    [
      "unless it says masq",
      ["fallback=10.0.0.9:81 masq"],
      (s) => [s.sorryServer?.forwarding.kind, s.sorryServer?.port],
      ["masquerade", 81],
    ],
    ["checktype off gives no weight", ["checktype=off"], (s) => s.servers[0]?.weight, 0],
    ["checktype on checks nothing", ["checktype=on"], (s) => s.servers[0]?.checks, []],
    ["service none neither", ["service=none"], (s) => s.servers[0]?.checks, []],
  ];
  for (const [what, lines, of, expected] of table) test(what, () => assert.deepEqual(of(service(...lines)), expected));

  test("gate keeps the port of the virtual, and probes the one it says", () => {
    const [server] = only(virtual([], "real=10.0.0.1:8080 gate")).servers;
    assert.deepEqual([server?.port, server?.checks[0]?.target.port], [undefined, 8080]);
  });

  test("a global fallback is for addresses, not for marks", () => {
    const text = `fallback=127.0.0.1 gate\n${virtual([])}${virtual(["checkport=80"], "real=10.0.0.2 gate", "virtual=9")}`;
    const { services } = configOf(runLdirectord(text));
    assert.deepEqual(
      services.map(({ sorryServer }) => sorryServer?.address.text),
      ["127.0.0.1", undefined],
    );
  });

  test("fallbackcommand becomes two hooks", () => {
    const { hooks } = configOf(runLdirectord(virtual(['fallbackcommand="/bin/f a"'])));
    assert.deepEqual(
      hooks.map(({ on, action }) => [on[0], action.kind === "command" && action.argv]),
      [
        ["service.quorum-lost", ["/bin/f", "a", "start"]],
        ["service.quorum-regained", ["/bin/f", "a", "stop"]],
      ],
    );
  });
});

describe("checks", () => {
  test("timings, and the timeouts stand in for each other", () => {
    const pace = (above: string, ...lines: string[]) => {
      const found = only(above + virtual(lines)).servers[0]?.checks[0];
      return found && [found.interval, found.timeout, found.fall, found.rise];
    };
    assert.deepEqual(pace(""), [10_000, 30_000, 1, 1]);
    assert.deepEqual(pace("", "checktype=connect"), [10_000, 5_000, 1, 1]);
    assert.deepEqual(pace("checktimeout=4\n"), [10_000, 4_000, 1, 1]);
    assert.deepEqual(pace("checktimeout=4\n", "negotiatetimeout=7"), [10_000, 7_000, 1, 1]);
    assert.deepEqual(pace("negotiatetimeout=6\n", "checktype=connect"), [10_000, 6_000, 1, 1]);
    assert.deepEqual(pace("checkinterval=2 # often\nfailurecount=3\n", "failurecount=4"), [2_000, 30_000, 4, 1]);
    assert.deepEqual(pace("checkinterval=2\n", "checkinterval=5"), [2_000, 30_000, 1, 1]);
    assert.deepEqual(pace("fork=yes\ncheckinterval=2\n", "checkinterval=5"), [5_000, 30_000, 1, 1]);
  });

  test("the service is known by the port of the virtual", () => {
    const type = (port: number) =>
      only(virtual([], "real=10.0.0.1:9 masq", `virtual=192.0.2.10:${port}`)).servers[0]?.checks[0]?.type;
    assert.deepEqual([80, 443, 25, 119, 993, 3306, 4444].map(type), [
      "http",
      "https",
      "smtp",
      "tcp",
      "tcp",
      "tcp",
      undefined,
    ]);
  });

  test("http: request, receive, host", () => {
    const found = asked('request="a.html"', 'receive="Test Page"', 'virtualhost="www"');
    assert.deepEqual([found?.path, found?.host], ["/a.html", "www"]);
    assert.deepEqual(found?.expect?.body, { contains: "Test Page" });
    assert.deepEqual(asked('receive="a.b|c"')?.expect?.body, { regex: "a.b|c" });
  });

  test("a real server's own request and receive, which may name another machine", () => {
    const { servers } = only(
      virtual(
        ['request="v"', 'receive="w"'],
        'real=10.0.0.1:80 masq 3 "r", "s"\n\treal=10.0.0.2:80 masq 1 "http://10.0.0.7:81/x", "y"',
      ),
    );
    const [first, second] = servers.map(({ checks }) => checks[0]);
    assert.deepEqual([first?.label, first?.target.port, servers[0]?.weight], ["http GET /r", 80, 3]);
    assert.deepEqual([second?.target.address.text, second?.target.port], ["10.0.0.7", 81]);
  });

  test("https verifies nothing", () => {
    assert.equal(asked("service=https")?.verify, false);
  });

  test("checktype N: a connection each time, and everything every N + 1 times", () => {
    const found = service("checktype=3").servers[0]?.checks;
    assert.deepEqual(
      found?.map(({ type, interval }) => [type, interval]),
      [
        ["tcp", 10_000],
        ["http", 40_000],
      ],
    );
  });

  test("external gets the four arguments ldirectord gives", () => {
    assert.deepEqual(asked("checktype=external", "checkcommand=/bin/c")?.command, [
      "/bin/c",
      "192.0.2.10",
      "80",
      "10.0.0.1",
      "8080",
    ]);
  });

  test("dns asks for the address that is to be received, at port 53", () => {
    const found = only(
      virtual(
        ['request="www.example.com"', 'receive="192.0.2.80"'],
        "real=10.0.0.1:5353 masq",
        "virtual=192.0.2.10:53",
      ),
    ).servers[0]?.checks[0];
    assert.deepEqual([found?.type, found?.target.port], ["dns", 53]);
    assert.deepEqual((found?.options as Options | undefined)?.expect?.answer, {
      address: { family: 4, text: "192.0.2.80" },
    });
  });

  test("dns by an address asks for its name", () => {
    const found = only(
      virtual(['request="192.0.2.80"', 'receive="www.example.com"'], "real=10.0.0.1 masq", "virtual=192.0.2.10:53"),
    ).servers[0]?.checks[0];
    const options = found?.options as Options;
    assert.deepEqual([options.name, options.record], ["80.2.0.192.in-addr.arpa", "PTR"]);
  });
});
