import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { DEFAULTS } from "../../src/config/defaults.ts";
import { formatProblem } from "../../src/config/parse.ts";
import type { Config } from "../../src/model/config.ts";
import { type ServerKey, serviceKey } from "../../src/model/service.ts";
import { formatDuration } from "../../src/model/time.ts";
import { configOf, parse } from "./support.ts";

const ONE = "services: [{ name: web, vip: '192.0.2.1:80', servers: [{ address: 10.0.0.1 }] }]\n";

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}

describe("an example of every key", () => {
  const text = read("contract-example.conf").replace("include: [conf.d/*.yaml]", "");
  const config = configOf(text);

  test("is accepted, with warnings for what stands still and for a frontend without servers", () => {
    assert.deepEqual(parse(text).problems.map(formatProblem), [
      "d.conf:26:42: services[0].vips[1]: warning: tcp [2001:db8::11]:80 gets no server: all are IPv4, and only tunnels cross families",
    ]);
  });

  test("its globals are what they look like", () => {
    const { services: _, ...globals } = config;
    assert.deepEqual(globals, {
      ipvs: {
        mode: "manage",
        backend: "ipvsadm",
        command: "/usr/sbin/ipvsadm",
        timeout: 10_000,
        resync: 30_000,
        drift: "repair",
        sync: { role: "master", interface: "eth1", id: 7 },
        timeouts: { tcp: 900, tcpFin: 120, udp: 300 },
      },
      vips: { device: "ipvs0", withdraw: true },
      state: { directory: "/var/lib/director" },
      control: {
        socket: "/run/director/control.sock",
        mode: 0o660,
        group: "director",
        readOnly: { socket: "/run/director/status.sock", mode: 0o666 },
      },
      http: { listen: [{ address: { family: 4, text: "127.0.0.1" }, port: 9180 }], hosts: [] },
      log: { level: "info", format: "auto" },
      reload: { maxRemoved: 0.5 },
      hooks: [],
    } satisfies Omit<Config, "services">);
  });

  test("its services have frontends, servers and checks", () => {
    const seen = config.services.map((service) => [
      service.name,
      service.frontends.map(serviceKey).join(" "),
      ...service.servers.map(
        (s) => `${s.name} ${s.key} ${s.weight} ${s.checks.map((c) => `${c.label} -> ${c.target.port}`).join(" + ")}`,
      ),
    ]);
    assert.deepEqual(seen, [
      [
        "api",
        "tcp:192.0.2.11:80 tcp:[2001:db8::11]:80",
        "app1 10.0.0.11:9080 100 http GET /ready -> 9080",
        "app6 10.0.0.16:9080 50 http GET /ready -> 9080",
      ],
      [
        "web",
        "tcp:192.0.2.10:80",
        "old 10.0.0.11:8080 100 http GET /healthz -> 8080",
        "new 10.0.0.12:8080 0 tcp -> 8080 + tcp port 9000 -> 9000",
      ],
      ["dns", "udp:192.0.2.10:53", "10.0.0.21:53 10.0.0.21:53 100 udp -> 53"],
    ]);
  });

  test("its second service carries every policy", () => {
    const { servers: _s, frontends: _f, ...web } = config.services[1]!;
    assert.deepEqual(web, {
      name: "web",
      key: "tcp:192.0.2.10:80" as (typeof web)["key"],
      scheduler: "wrr",
      schedulerFlags: [],
      onePacket: false,
      persistence: { timeoutSec: 300, prefix: { v4: 24, v6: 128 }, engine: undefined },
      onFailure: "auto",
      initial: "adopt",
      quorum: { up: { kind: "servers", count: 2 }, down: { kind: "servers", count: 1 } },
      sorryServer: {
        key: "10.0.0.99:80" as ServerKey,
        name: "sorry server 10.0.0.99:80",
        address: { family: 4, text: "10.0.0.99" },
        port: 80,
        weight: 1,
        forwarding: { kind: "masquerade" },
        labels: {},
        checks: [],
      },
      failOpen: "never",
      slowStart: 30_000,
      removalGrace: 600_000,
    } satisfies typeof web);
  });

  test("labels are kept", () => assert.deepEqual(config.services[0]!.servers[0]!.labels, { color: "blue" }));
});

test("the shipped example has no problem at all", () => {
  const { config, problems } = parse(read("../../config/director.conf"));
  assert.deepEqual(problems.map(formatProblem), []);
  assert.deepEqual(
    config!.services.map((s) => s.name),
    ["web", "web-tls", "dns", "mail"],
  );
});

describe("defaults", () => {
  const config = configOf(ONE);
  const [service] = config.services;
  const [server] = service!.servers;
  const [check] = server!.checks;
  const [hook] = configOf(`hooks: [{ on: [all], command: [/bin/true] }]\n${ONE}`).hooks;

  const { flap } = configOf(ONE.replace("name: web", "name: web, flap: {}")).services[0]!;

  /** What the table of defaults promises, as it shows in the configuration. */
  const shown: Readonly<Record<keyof typeof DEFAULTS, string>> = {
    "ipvs.mode": config.ipvs.mode,
    "ipvs.backend": config.ipvs.backend,
    "ipvs.command": config.ipvs.command,
    "ipvs.timeout": formatDuration(config.ipvs.timeout),
    "ipvs.resync": formatDuration(config.ipvs.resync),
    "ipvs.drift": config.ipvs.drift,
    "state.directory": config.state.directory,
    "control.socket": config.control.socket,
    "control.mode": `0${config.control.mode.toString(8)}`,
    "control.read_only.mode": `0${configOf(`control: { read_only: { socket: /s } }\n${ONE}`).control.readOnly!.mode.toString(8)}`,
    "vips.withdraw": String(configOf(`vips: { device: ipvs0 }\n${ONE}`).vips!.withdraw),
    "log.level": config.log.level,
    "log.format": config.log.format,
    "reload.max_removed": `${config.reload.maxRemoved * 100}%`,
    "hook.timeout": formatDuration(hook!.timeout),
    "hook.queue": String(hook!.queue),
    "service.protocol": service!.key.split(":")[0]!,
    "service.scheduler": service!.scheduler,
    "service.one_packet": String(service!.onePacket),
    "service.on_failure": service!.onFailure,
    "service.initial": service!.initial,
    "service.quorum.up": String(service!.quorum.up.kind === "servers" && service!.quorum.up.count),
    "service.quorum.down": String(service!.quorum.down.kind === "servers" && service!.quorum.down.count),
    "service.fail_open": service!.failOpen,
    "service.flap.count": String(flap!.count),
    "service.flap.within": formatDuration(flap!.within),
    "service.flap.hold": formatDuration(flap!.hold),
    "service.flap.max": formatDuration(flap!.max),
    "service.removal_grace": formatDuration(service!.removalGrace),
    "server.weight": String(server!.weight),
    "server.max_connections": String(server!.limits?.upper ?? 0),
    "server.min_connections": String(
      configOf(ONE.replace("10.0.0.1", "10.0.0.1, max_connections: 5")).services[0]!.servers[0]!.limits!.lower,
    ),
    "server.forward": server!.forwarding.kind,
    "tunnel.type": tunnelOf("forward: tunnel").encapsulation,
    "tunnel.checksum": checksumOf("forward: tunnel, tunnel: { type: gre }"),
    "check.type": check!.type,
    "check.interval": formatDuration(check!.interval),
    "check.timeout": formatDuration(check!.timeout),
    "check.fall": String(check!.fall),
    "check.rise": String(check!.rise),
    "check.fast_interval": formatDuration(check!.fastInterval),
    "check.down_interval": formatDuration(check!.downInterval),
  };
  for (const [key, { value, reason, source }] of Object.entries(DEFAULTS))
    test(`${key} is ${value}`, () => {
      assert.equal(shown[key as keyof typeof DEFAULTS], value);
      assert.ok(reason.length > 0 && source.length > 0);
    });

  test("what is off unless given is off", () => {
    assert.deepEqual(
      [config.http, config.control.group, config.control.readOnly, config.ipvs.sync, config.ipvs.timeouts, config.vips],
      [undefined, undefined, undefined, undefined, undefined, undefined],
    );
    const { persistence, sorryServer, slowStart, flap } = service!;
    assert.deepEqual([persistence, sorryServer, slowStart, flap], [undefined, undefined, undefined, undefined]);
  });

  test("a short interval shortens the fast one", () => {
    const fast = configOf(`defaults: { check: { interval: 500ms } }\n${ONE}`).services[0]!.servers[0]!.checks[0]!;
    assert.equal(fast.fastInterval, 500);
  });
});

function tunnelOf(words: string) {
  const { forwarding } = configOf(
    `services: [{ name: web, vip: '192.0.2.1:80', check: { port: 80 }, ${words}, servers: [{ address: 10.0.0.1 }] }]`,
  ).services[0]!.servers[0]!;
  assert.equal(forwarding.kind, "tunnel");
  return forwarding;
}

function checksumOf(words: string): string {
  const tunnel = tunnelOf(words);
  return "checksum" in tunnel ? tunnel.checksum : "";
}

describe("frontends", () => {
  function marked(words: string, ...addresses: string[]): readonly string[] {
    const servers = addresses.map((address) => `{ address: '${address}' }`).join(", ");
    const file = `services: [{ name: web, fwmark: 7, ${words} check: { type: tcp, port: 80 }, servers: [${servers}] }]`;
    return configOf(file).services[0]!.frontends.map(serviceKey);
  }

  test("a firewall mark has the families of its servers", () => {
    assert.deepEqual(marked("", "10.0.0.1"), ["fwmark4:7"]);
    assert.deepEqual(marked("", "2001:db8::1"), ["fwmark6:7"]);
    assert.deepEqual(marked("", "2001:db8::1", "10.0.0.1"), ["fwmark4:7", "fwmark6:7"]);
  });

  test("or the one that is said", () =>
    assert.deepEqual(marked("forward: tunnel, family: ipv4,", "2001:db8::1", "10.0.0.1"), ["fwmark4:7"]));

  test("marks above 2147483647 are marks", () => {
    const file = "services: [{ name: web, fwmark: 4294967295, check: none, servers: [{ address: 10.0.0.1 }] }]";
    assert.deepEqual(configOf(file).services[0]!.frontends.map(serviceKey), ["fwmark4:4294967295"]);
  });

  test("masquerading below a mark may map everything to one port, which is then the one probed", () => {
    const file = "services: [{ name: web, fwmark: 7, servers: [{ address: '10.0.0.1:8080' }] }]";
    const server = configOf(file).services[0]!.servers[0]!;
    assert.deepEqual([server.port, server.checks[0]!.target.port], [8080, 8080]);
  });

  test("behind a mark every check is inherited, whatever it speaks", () => {
    for (const check of ["type: udp, send: x, silence: pass", "type: http"]) {
      const file = `defaults: { check: { ${check}, port: 80 } }
services: [{ name: web, fwmark: 7, servers: [{ address: 10.0.0.1 }] }]`;
      assert.match(configOf(file).services[0]!.servers[0]!.checks[0]!.label, /^(udp|http GET \/) port 80$/);
    }
  });

  test("equal marks are frontends twice", () => {
    const service = (name: string) => `{ name: ${name}, fwmark: 7, check: none, servers: [{ address: 10.0.0.1 }] }`;
    const { problems } = parse(`services:\n  - ${service("a")}\n  - ${service("b")}\n`);
    assert.deepEqual(problems.filter((p) => p.severity === "error").map(formatProblem), [
      'd.conf:3:24: services[1].fwmark: firewall mark 7 for IPv4 belongs to service "a" already, at d.conf:2:24',
    ]);
  });

  test("tcp and udp of one address and port are two frontends", () => {
    const dns = (name: string, protocol: string) =>
      `{ name: ${name}, protocol: ${protocol}, vip: '192.0.2.1:53', check: { type: tcp }, servers: [{ address: 10.0.0.1 }] }`;
    assert.equal(configOf(`services: [${dns("a", "tcp")}, ${dns("b", "udp")}]`).services.length, 2);
  });

  test("IPv6 is canonical however it is written", () => {
    const file = "services: [{ name: a, vip: '[2001:DB8:0:0::1]:80', servers: [{ address: '[2001:0db8::00aa]:80' }] }]";
    const [service] = configOf(file).services;
    assert.equal(service!.key, "tcp:[2001:db8::1]:80");
    assert.equal(service!.servers[0]!.name, "[2001:db8::aa]:80");
  });
});

describe("scheduling", () => {
  function flags(words: string): readonly string[] {
    return configOf(`defaults: { ${words} }\n${ONE}`).services[0]!.schedulerFlags;
  }

  test("flags are held sorted, under the names ipvsadm lists", () => {
    assert.deepEqual(flags("scheduler: mh, scheduler_flags: [mh-port, mh-fallback]"), ["mh-fallback", "mh-port"]);
    assert.deepEqual(flags("scheduler: mh, scheduler_flags: [flag-2]"), ["mh-port"]);
    assert.deepEqual(flags("scheduler: sh, scheduler_flags: [flag-1]"), ["sh-fallback"]);
    assert.deepEqual(flags("scheduler: wrr, scheduler_flags: [flag-3, flag-1]"), ["flag-1", "flag-3"]);
  });

  test("every scheduler of the kernel is known", () => {
    for (const name of ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "twos"])
      assert.equal(configOf(`defaults: { scheduler: ${name} }\n${ONE}`).services[0]!.scheduler, name);
  });

  test("netmasks may be dotted, a length, or both families'", () => {
    const prefix = (netmask: string) =>
      configOf(`defaults: { persistence: { timeout: 1m, netmask: ${netmask} } }\n${ONE}`).services[0]!.persistence!
        .prefix;
    assert.deepEqual(prefix("255.255.0.0"), { v4: 16, v6: 128 });
    assert.deepEqual(prefix("24"), { v4: 24, v6: 128 });
    const six = ONE.replace("192.0.2.1:80", "[2001:db8::1]:80").replace("10.0.0.1", "'2001:db8::2'");
    const { persistence } = configOf(`defaults: { persistence: { timeout: 1m, netmask: 64 } }\n${six}`).services[0]!;
    assert.deepEqual(persistence!.prefix, { v4: 32, v6: 64 });
    assert.deepEqual(prefix("{ ipv4: 255.255.255.0, ipv6: 64 }"), { v4: 24, v6: 64 });
  });

  test("defaults may leave to the service what they do not know", () => {
    for (const [above, below] of [
      ["send: x", "expect: y"],
      ["expect: y", "send: x"],
    ]) {
      const file = `defaults: { persistence: { netmask: 24 }, check: { type: udp, ${above} } }
services:
  - name: a
    vip: 192.0.2.1:53
    protocol: udp
    persistence: { timeout: 1m }
    check: { ${below} }
    servers: [{ address: 10.0.0.1 }]`;
      assert.deepEqual(configOf(file).services[0]!.persistence!.prefix, { v4: 24, v6: 128 });
    }
  });

  test("none switches off what defaults switched on", () => {
    const file = `defaults: { persistence: { timeout: 1m }, slow_start: 30s, flap: { count: 3 } }
services: [{ name: a, vip: '192.0.2.1:80', persistence: none, slow_start: none, flap: none, servers: [{ address: 10.0.0.1 }] }]`;
    const [service] = configOf(file).services;
    assert.deepEqual([service!.persistence, service!.slowStart, service!.flap], [undefined, undefined, undefined]);
  });

  test("one-packet scheduling and the sip engine are for UDP and for marks", () => {
    const words = "one_packet: true, persistence: { timeout: 1m, engine: sip }, check: { type: tcp, port: 5060 }";
    const servers = "servers: [{ address: 10.0.0.1 }]";
    const { services } = configOf(
      `services: [{ name: a, protocol: udp, vip: '192.0.2.1:5060', ${words}, ${servers} }, { name: b, fwmark: 1, ${words}, ${servers} }]`,
    );
    assert.deepEqual(
      services.map((s) => [s.onePacket, s.persistence!.engine]),
      [
        [true, "sip"],
        [true, "sip"],
      ],
    );
  });
});

test("names clients may ask for are kept in lower case", () => {
  const { http } = configOf(`http: { listen: ['[::]:9180'], hosts: [LB.example.com] }\n${ONE}`);
  assert.deepEqual(http, { listen: [{ address: { family: 6, text: "::" }, port: 9180 }], hosts: ["lb.example.com"] });
});

test("a sorry server may be another port of a real server", () => {
  const { sorryServer } = configOf(`defaults: { sorry_server: { address: '10.0.0.1:81' } }\n${ONE}`).services[0]!;
  assert.equal(sorryServer!.key, "10.0.0.1:81");
});

describe("emptiness that is meant", () => {
  test("no services", () => assert.deepEqual(configOf("allow_empty: true\n").services, []));
  test("services that are null", () => assert.deepEqual(configOf("allow_empty: true\nservices:\n").services, []));
  test("no servers, in a service or its pool", () => {
    const file = `pools: { none: { allow_empty: true, servers: } }
services:
  - { name: a, vip: '192.0.2.1:80', allow_empty: true }
  - { name: b, vip: '192.0.2.2:80', allow_empty: true, servers: [] }
  - { name: c, vip: '192.0.2.3:80', pool: none }
  - { name: d, fwmark: 1, allow_empty: true, servers: [] }`;
    assert.deepEqual(
      configOf(file).services.map((s) => [s.servers.length, s.key]),
      [
        [0, "tcp:192.0.2.1:80"],
        [0, "tcp:192.0.2.2:80"],
        [0, "tcp:192.0.2.3:80"],
        [0, "fwmark4:1"],
      ],
    );
  });
});

describe("identity of checks", () => {
  function checks(...services: string[]) {
    const file = `services:\n${services.map((words, i) => `  - { name: s${i}, vip: '192.0.2.${i}:80', ${words} }\n`).join("")}`;
    return configOf(file).services.map((service) => service.servers.map((server) => server.checks[0]!));
  }
  const at = (...addresses: string[]) => `servers: [${addresses.map((a) => `{ address: '${a}' }`).join(", ")}]`;

  test("the same check of the same endpoint is one, in however many services", () => {
    const [a, b] = checks(at("10.0.0.1"), `check: { type: tcp, port: 80 }, ${at("10.0.0.1")}`);
    assert.equal(a![0]!.key, b![0]!.key);
  });

  test("other timings: another key, the same probe and template", () => {
    const [a, b] = checks(at("10.0.0.1"), `check: { fall: 9 }, ${at("10.0.0.1")}`);
    assert.notEqual(a![0]!.key, b![0]!.key);
    assert.deepEqual([a![0]!.probe, a![0]!.template], [b![0]!.probe, b![0]!.template]);
  });

  test("another server: another probe, the same template", () => {
    const [a, b] = checks(at("10.0.0.1", "10.0.0.2:81"))[0]!;
    assert.notEqual(a!.probe, b!.probe);
    assert.equal(a!.template, b!.template);
  });

  for (const [what, words] of [
    ["another option", "check: { type: tcp, close: reset }"],
    ["another port", "check: { port: 81 }"],
    ["another address", "check: { address: 10.9.9.9 }"],
    ["a source", "check: { source: 10.9.9.9 }"],
    ["another type", "check: { type: http }"],
  ])
    test(`${what}: another probe and template`, () => {
      const [a, b] = checks(at("10.0.0.1"), `${words}, ${at("10.0.0.1")}`);
      assert.notEqual(a![0]!.probe, b![0]!.probe);
      assert.notEqual(a![0]!.template, b![0]!.template);
    });

  test("the order of keys does not count", () => {
    const [a, b] = checks(
      `check: { type: http, path: /x, method: HEAD }, ${at("10.0.0.1")}`,
      `check: { method: HEAD, path: /x, type: http }, ${at("10.0.0.1")}`,
    );
    assert.equal(a![0]!.key, b![0]!.key);
  });
});
