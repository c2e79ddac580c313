import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RealServer } from "../../src/model/service.ts";
import { formatDuration } from "../../src/model/time.ts";
import { configOf } from "./support.ts";

/** The checks of a server in a few words: what, where, how often. */
function checksOf(server: RealServer): string {
  const words = server.checks.map(({ label, target, source, interval, fall }) => {
    const from = source === undefined ? "" : ` from ${source.text}`;
    const to = `${target.address.text}:${target.port}`;
    return `${label} to ${to}${from} every ${formatDuration(interval)} fall ${fall}`;
  });
  return words.length === 0 ? "none" : words.join(", ");
}

const rows: readonly [what: string, levels: Levels, checks: string | readonly string[]][] = [
  ["nobody says anything: tcp", {}, "tcp to 10.0.0.1:80 every 2s fall 3"],
  [
    "the defaults' check",
    { defaults: "check: { type: http, path: /d }" },
    "http GET /d to 10.0.0.1:80 every 2s fall 3",
  ],
  [
    "the service completes the defaults' check key by key",
    { defaults: "check: { type: http, path: /d, interval: 5s }", service: "check: { path: /s }" },
    "http GET /s to 10.0.0.1:80 every 5s fall 3",
  ],
  [
    "the server completes the service's",
    { defaults: "check: { type: http, interval: 5s }", service: "check: { path: /s }", server: "check: { fall: 7 }" },
    "http GET /s to 10.0.0.1:80 every 5s fall 7",
  ],
  [
    "another type takes over timings, not the keys of the type, nor its port",
    { defaults: "check: { type: http, path: /d, interval: 5s, port: 8081 }", service: "check: { type: tcp }" },
    "tcp to 10.0.0.1:80 every 5s fall 3",
  ],
  [
    "another type takes over the address to probe from",
    { defaults: "check: { type: http, source: 10.5.5.5 }", service: "check: { type: tcp }" },
    "tcp to 10.0.0.1:80 from 10.5.5.5 every 2s fall 3",
  ],
  [
    "http and https are different types",
    { defaults: "check: { type: http, path: /d, fall: 5 }", service: "check: { type: https }" },
    "https GET / to 10.0.0.1:80 every 2s fall 5",
  ],
  [
    "a check without a type is tcp before it is anything else",
    { defaults: "check: { interval: 5s }", service: "check: { type: http, path: /s }" },
    "http GET /s to 10.0.0.1:80 every 5s fall 3",
  ],
  [
    "the same type takes over the port too",
    { defaults: "check: { type: http, port: 8081 }", service: "check: { path: /s }" },
    "http GET /s port 8081 to 10.0.0.1:8081 every 2s fall 3",
  ],
  [
    "an address of its own is named",
    { service: "check: { address: 10.9.9.9, port: 81 }" },
    "tcp port 81 at 10.9.9.9 to 10.9.9.9:81 every 2s fall 3",
  ],
  [
    "a list replaces, each of its checks builds upon the check above",
    {
      defaults: "check: { type: http, path: /d, interval: 5s }",
      service: "checks: [{ path: /s }, { type: tcp, port: 9000 }]",
    },
    "http GET /s to 10.0.0.1:80 every 5s fall 3, tcp port 9000 to 10.0.0.1:9000 every 5s fall 3",
  ],
  [
    "a check replaces a list above, and builds upon what the list built upon",
    { defaults: "check: { fall: 5 }", service: "checks: [{ type: tcp, interval: 9s }]", server: "check: { rise: 4 }" },
    "tcp to 10.0.0.1:80 every 2s fall 5",
  ],
  ["none switches off", { defaults: "check: { type: http }", service: "check: none" }, "none"],
  [
    "a server switches on again what its service switched off",
    { defaults: "check: { type: http, path: /d }", service: "check: none", server: "check: { fall: 1 }" },
    "http GET /d to 10.0.0.1:80 every 2s fall 1",
  ],
  [
    "the pool stands between defaults and service",
    {
      defaults: "check: { type: http, path: /d, interval: 5s }",
      pool: "check: { path: /p, fall: 9 }",
      service: "check: { path: /s }",
    },
    "http GET /s to 10.0.0.1:80 every 5s fall 9",
  ],
  [
    "a UDP service takes over a UDP check",
    { defaults: "check: { type: udp, send: x, silence: pass, interval: 9s }", service: "protocol: udp" },
    "udp to 10.0.0.1:80 every 9s fall 3",
  ],
  [
    "a UDP service takes over timings from an HTTP check",
    {
      defaults: "check: { type: http, path: /d, interval: 9s }",
      service: "protocol: udp\n    check: { type: udp, send: x, silence: pass }",
    },
    "udp to 10.0.0.1:80 every 9s fall 3",
  ],
  [
    "of a list of defaults a UDP service takes over the UDP check",
    {
      defaults: "checks: [{ type: http }, { type: udp, send: x, silence: pass }]",
      service: "protocol: udp",
    },
    "udp to 10.0.0.1:80 every 2s fall 3",
  ],
  [
    "a UDP service takes over a DNS check",
    { defaults: "check: { type: dns, name: a.example, record: A, interval: 9s }", service: "protocol: udp" },
    "dns A a.example to 10.0.0.1:80 every 9s fall 3",
  ],
  [
    "a TCP service does not take over a DNS check, over whatever transport",
    { defaults: "check: { type: dns, transport: tcp, fall: 8 }" },
    "tcp to 10.0.0.1:80 every 2s fall 8",
  ],
  [
    "a TCP service takes over an SMTP or gRPC check",
    { defaults: "checks: [{ type: smtp }, { type: grpc, service: a.B }]" },
    "smtp to 10.0.0.1:80 every 2s fall 3, grpc a.B to 10.0.0.1:80 every 2s fall 3",
  ],
  [
    "of a list of defaults a UDP service takes over the DNS check only",
    { defaults: "checks: [{ type: smtp }, { type: grpc }, { type: dns }]", service: "protocol: udp" },
    "dns SOA . to 10.0.0.1:80 every 2s fall 3",
  ],
  [
    "a TCP service does not take over a UDP check",
    { defaults: "check: { type: udp, send: x, silence: pass, fall: 8 }" },
    "tcp to 10.0.0.1:80 every 2s fall 8",
  ],
  [
    "a UDP service may be checked over TCP where it says so",
    { service: "protocol: udp\n    check: { type: tcp, port: 8080 }", server: "check: { fall: 2 }" },
    "tcp port 8080 to 10.0.0.1:8080 every 2s fall 2",
  ],
];

interface Levels {
  readonly defaults?: string;
  readonly pool?: string;
  readonly service?: string;
  readonly server?: string;
}

function file({ defaults, pool, service, server }: Levels): string {
  const item = `{ address: 10.0.0.1${server === undefined ? "" : `, ${server}`} }`;
  const lines = [
    defaults === undefined ? "" : `defaults: { ${defaults} }`,
    pool === undefined ? "" : `pools:\n  app:\n    ${pool}\n    servers: [${item}]`,
    "services:",
    "  - name: web",
    "    vip: 192.0.2.1:80",
    pool === undefined ? `    servers: [${item}]` : "    pool: app",
    service === undefined ? "" : `    ${service}`,
  ];
  return lines.join("\n");
}

describe("which checks a server has", () => {
  for (const [what, levels, checks] of rows)
    test(what, () => assert.equal(checksOf(configOf(file(levels)).services[0]!.servers[0]!), checks));
});

describe("what a server has besides checks", () => {
  function first(levels: Levels): RealServer {
    return configOf(file(levels)).services[0]!.servers[0]!;
  }

  test("weight comes from the nearest level: server, service, pool, defaults", () => {
    const levels = { defaults: "weight: 1", pool: "weight: 2", service: "weight: 3", server: "weight: 4" };
    assert.equal(first(levels).weight, 4);
    assert.equal(first({ ...levels, server: "name: a" }).weight, 3);
    assert.equal(first({ defaults: levels.defaults, pool: levels.pool }).weight, 2);
    assert.equal(first({ defaults: levels.defaults }).weight, 1);
    assert.equal(first({}).weight, 100);
  });

  test("tunnel options merge key by key", () => {
    const levels = {
      service: "forward: tunnel\n    tunnel: { type: gue, port: 6080, checksum: remote }\n    check: { port: 80 }",
      server: "tunnel: { port: 6081 }",
    };
    assert.deepEqual(first(levels).forwarding, {
      kind: "tunnel",
      encapsulation: "gue",
      port: 6081,
      checksum: "remote",
    });
  });

  test("a server that does not tunnel needs no words about the tunnel it does not inherit", () => {
    const levels = {
      defaults: "forward: tunnel, tunnel: { type: gre }",
      service: "check: { port: 80 }",
      server: "forward: masquerade",
    };
    assert.deepEqual(first(levels).forwarding, { kind: "masquerade" });
  });

  test("the port of an address wins over the service's", () => {
    const file = `services:
      - name: web
        vip: 192.0.2.1:80
        port: 8080
        servers: [{ address: 10.0.0.1 }, { address: 10.0.0.2:81 }, { address: 10.0.0.3, port: 82 }]`;
    const { servers } = configOf(file).services[0]!;
    assert.deepEqual(
      servers.map(({ name, key, port, checks }) => [name, key, port, checks[0]!.target.port]),
      [
        ["10.0.0.1", "10.0.0.1:8080", 8080, 8080],
        ["10.0.0.2:81", "10.0.0.2:81", 81, 81],
        ["10.0.0.3:82", "10.0.0.3:82", 82, 82],
      ],
    );
  });

  test("with direct routing a port that equals the virtual service's is only for the check", () => {
    const { port, key, checks } = first({ service: "forward: direct\n    port: 80" });
    assert.deepEqual([port, key, checks[0]!.target.port, checks[0]!.label], [undefined, "10.0.0.1", 80, "tcp"]);
  });
});
