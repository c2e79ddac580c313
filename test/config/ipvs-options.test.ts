import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { serviceKey } from "../../src/model/service.ts";
import { configOf, problemsOf } from "./support.ts";

const service = (words: string, servers = "{ address: 10.0.0.1 }") =>
  `services: [{ name: web, check: { port: 80 }, ${words}, servers: [${servers}] }]\n`;
const web = (words = "", servers?: string) =>
  service(`vip: '192.0.2.1:80'${words === "" ? "" : `, ${words}`}`, servers);

describe("what ipvsadm or the kernel would quietly make something else of is refused, with the reason", () => {
  const rows: readonly [what: string, file: string, refusal: RegExp][] = [
    ["an octal virtual address (8.0.0.1)", service("vip: '010.0.0.1:80'"), /vip: .*"010\.0\.0\.1" has a leading zero/],
    ["an octal server (8.0.0.1)", web("", "{ address: 010.0.0.1 }"), /address: .*"010\.0\.0\.1" has a leading zero/],
    ["a short address (10.0.0.1)", web("", "{ address: 10.1 }"), /"10\.1" is a short form, write all four numbers/],
    ["a short virtual address", service("vip: '10.1:80'"), /"10\.1" is a short form/],
    ["a host's name", web("", "{ address: localhost }"), /names are not resolved/],
    ["a name as virtual address", service("vip: 'www.example.com:80'"), /names are not resolved/],
    [
      "a port's name",
      service("vip: '192.0.2.1:http'"),
      /expected a port from 1 to 65535 after "192\.0\.2\.1", not "http"/,
    ],
    ["a server's port's name", web("", "{ address: '10.0.0.1:http' }"), /expected a port from 1 to 65535/],
    [
      "direct, another port",
      web("forward: direct", "{ address: '10.0.0.1:8080' }"),
      /silently keep port 80: leave it out/,
    ],
    [
      "tunnel, another port",
      web("forward: tunnel", "{ address: '10.0.0.1:8080' }"),
      /silently keep port 80: leave it out/,
    ],
    [
      "direct, one port of a range",
      service("vip: '192.0.2.1:80-81', forward: direct", "{ address: '10.0.0.1:80' }"),
      /silently keep port 81/,
    ],
    ["a scheduler without name (wlc)", web("scheduler: ''"), /scheduler: expected one of rr, wrr/],
    ["IPv6 without brackets (an address without port)", service("vip: 'fd00::1:80'"), /stands in brackets/],
    ["a netmask of 33 bits", web("persistence: { timeout: 1m, netmask: 33 }"), /at most 32 bits/],
    ["a netmask with holes", web("persistence: { timeout: 1m, netmask: 255.0.255.0 }"), /expected a netmask/],
    ["a multicast virtual address", service("vip: '224.0.0.1:80'"), /multicast/],
    ["an unspecified virtual address", service("vip: '0.0.0.0:80'"), /is no machine's address/],
    ["a hexadecimal weight", web("", "{ address: 10.0.0.1, weight: 0x10 }"), /expected a whole number/],
    ["an octal weight", web("", "{ address: 10.0.0.1, weight: 010 }"), /expected a whole number/],
    ["flag-3 of mh, which is never listed", web("scheduler: mh, scheduler_flags: [flag-3]"), /mh has no third flag/],
    ["one-packet for tcp", web("one_packet: true"), /only for udp/],
    ["sip for tcp", web("persistence: { timeout: 1m, engine: sip }"), /every connection times out/],
    ["a persistence timeout with a fraction", web("persistence: { timeout: 1500ms }"), /must be whole seconds/],
    ["a persistence timeout above 31 days", web("persistence: { timeout: 800h }"), /must be at most 744h/],
    ["a server of the other family without a tunnel", web("", "{ address: 'fd00::1' }"), /only tunnels cross families/],
  ];
  for (const [what, file, refusal] of rows)
    test(what, () => assert.match(problemsOf(file).join("\n"), refusal, problemsOf(file).join("\n")));
});

describe("limits on connections", () => {
  const limits = (file: string) => configOf(file).services[0]!.servers.map(({ limits: l }) => l && [l.upper, l.lower]);

  test("are a server's, or its service's, pool's and defaults'", () => {
    assert.deepEqual(limits(web("", "{ address: 10.0.0.1, max_connections: 9, min_connections: 3 }")), [[9, 3]]);
    assert.deepEqual(
      limits(web("max_connections: 9", "{ address: 10.0.0.1 }, { address: 10.0.0.2, max_connections: 0 }")),
      [[9, 0], undefined],
    );
    assert.deepEqual(limits(`defaults: { max_connections: 8, min_connections: 8 }\n${web()}`), [[8, 8]]);
    assert.deepEqual(
      limits(
        "pools: { app: { max_connections: 7, servers: [{ address: 10.0.0.1, min_connections: 5 }] } }\nservices: [{ name: web, vip: '192.0.2.1:80', pool: app }]",
      ),
      [[7, 5]],
    );
    // An inherited lower one is only not needed where there is no limit.
    assert.deepEqual(limits(web("min_connections: 5", "{ address: 10.0.0.1 }")), [undefined]);
  });

  test("which the kernel would refuse are refused", () => {
    assert.deepEqual(problemsOf(web("", "{ address: 10.0.0.1, max_connections: 3, min_connections: 5 }")), [
      "d.conf:1:115: services[0].servers[0].max_connections: max_connections 3 is below min_connections 5: a full server gets clients again below the latter, which cannot be more",
    ]);
    assert.match(
      problemsOf(web("max_connections: 3", "{ address: 10.0.0.1, min_connections: 5 }")).join(),
      /servers\[0\]\.min_connections: max_connections 3 is below/,
    );
    assert.match(
      problemsOf(web("", "{ address: 10.0.0.1, min_connections: 5 }")).join(),
      /means something below a max_connections only/,
    );
    assert.match(problemsOf(web("max_connections: 2147483648")).join(), /expected a whole number from 0 to 2147483647/);
  });
});

describe("ranges of ports", () => {
  const keys = (file: string) => configOf(file).services[0]!.frontends.map(serviceKey);

  test("are so many frontends, in vip and in vips", () => {
    assert.deepEqual(keys(service("vip: '192.0.2.1:80-82'")), [
      "tcp:192.0.2.1:80",
      "tcp:192.0.2.1:81",
      "tcp:192.0.2.1:82",
    ]);
    assert.deepEqual(
      keys(
        service(
          "protocol: udp, vips: ['192.0.2.1:65535-65535', '[2001:db8::1]:7-8'], check: none",
          "{ address: 10.0.0.1 }, { address: 'fd00::1' }",
        ).replace("check: { port: 80 }, ", ""),
      ),
      ["udp:192.0.2.1:65535", "udp:[2001:db8::1]:7", "udp:[2001:db8::1]:8"],
    );
  });

  test("a server without a port answers each on its own, one with a port all on that", () => {
    const ports = (servers: string) =>
      configOf(service("vip: '192.0.2.1:80-81'", servers)).services[0]!.servers.map((s) => s.port);
    assert.deepEqual(ports("{ address: 10.0.0.1 }, { address: '10.0.0.2:8080' }"), [undefined, 8080]);
  });

  const rows: readonly [range: string, refusal: RegExp][] = [
    ["192.0.2.1:82-80", /the range 82-80 runs backwards/],
    ["192.0.2.1:80-65536", /not "65536"/],
    ["192.0.2.1:0-5", /expected a port from 1 to 65535 after "192\.0\.2\.1", not "0"/],
    ["192.0.2.1:80-", /expected a port/],
    ["192.0.2.1:80-81-82", /expected a port/],
    ["192.0.2.1:1-4097", /4097 ports in all, a service has at most 4096/],
  ];
  for (const [range, refusal] of rows)
    test(`${range} is refused`, () => assert.match(problemsOf(service(`vip: '${range}'`)).join("\n"), refusal));

  test("the limit counts all of a service's together, and 4096 are taken", () => {
    assert.equal(keys(service("vips: ['192.0.2.1:1-4000', '192.0.2.2:1-96']")).length, 4096);
    assert.match(problemsOf(service("vips: ['192.0.2.1:1-4000', '192.0.2.2:1-97']")).join(), /vips: 4097 ports in all/);
  });

  test("that overlap are told once, and so is a range that no server suits", () => {
    const file = `services:
  - { name: a, vip: "192.0.2.1:80-90", check: { port: 80 }, servers: [{ address: 10.0.0.1 }] }
  - { name: b, vips: ["192.0.2.1:85-95", "[fd00::1]:1-9"], check: { port: 80 }, servers: [{ address: 10.0.0.1 }] }
`;
    assert.deepEqual(problemsOf(file), [
      'd.conf:3:23: services[1].vips[0]: tcp 192.0.2.1:85 belongs to service "a" already, at d.conf:2:21',
      "d.conf:3:42: services[1].vips[1]: warning: tcp [fd00::1]:1 gets no server: all are IPv4, and only tunnels cross families",
    ]);
  });

  test("need a check that names its port", () => {
    assert.deepEqual(
      problemsOf("services: [{ name: web, vip: '192.0.2.1:80-81', servers: [{ address: 10.0.0.1 }] }]"),
      [
        "d.conf:1:12: services[0].check.port: missing: the virtual service's addresses have different ports, so say which port to probe",
      ],
    );
  });
});

describe("sctp", () => {
  const sctp = (check: string) =>
    `services: [{ name: sig, vip: "192.0.2.1:2905", protocol: sctp${check}, servers: [{ address: 10.0.0.1 }] }]`;

  test("is asked by another protocol, which must be said, with the port that tells", () => {
    assert.match(problemsOf(sctp("")).join(), /services\[0\]\.check: missing/);
    assert.match(
      problemsOf(sctp(", check: { port: 80 }")).join(),
      /check\.type: missing: say which type, and the port that tells/,
    );
    assert.deepEqual(problemsOf(sctp(", check: { type: tcp }")), []);
    assert.match(problemsOf(`defaults: { check: { type: http } }\n${sctp("")}`).join(), /check/);
    assert.deepEqual(problemsOf(sctp(", check: { type: tcp, port: 80 }")), []);
    assert.deepEqual(configOf(sctp(", check: { type: tcp, port: 80 }")).services[0]!.frontends.map(serviceKey), [
      "sctp:192.0.2.1:2905",
    ]);
  });
});

describe("beside the table", () => {
  test("timeouts are whole seconds, and only those given", () => {
    assert.deepEqual(configOf(`ipvs: { timeouts: { tcp_fin: 1m30s } }\n${web()}`).ipvs.timeouts, {
      tcp: undefined,
      tcpFin: 90,
      udp: undefined,
    });
    const rows: readonly [timeouts: string, refusal: RegExp][] = [
      ["{ tcp: 1500ms }", /tcp: must be whole seconds/],
      ["{ tcp: 745h }", /tcp: must be at most 744h/],
      ["{ udp: 0s }", /udp: must be at least 1s/],
      ["{ udp: 300 }", /udp: expected a duration/],
      ["{}", /timeouts: give at least one of tcp, tcp_fin and udp/],
    ];
    for (const [timeouts, refusal] of rows)
      assert.match(problemsOf(`ipvs: { timeouts: ${timeouts} }\n${web()}`).join(), refusal);
  });

  test("the sync daemon and servers of the other family are warned of", () => {
    const mixed = (sync: string, vip = "192.0.2.1:80") =>
      problemsOf(`ipvs: { ${sync} }\n${service(`vip: '${vip}', forward: tunnel`, "{ address: 'fd00::1' }")}`);
    assert.deepEqual(mixed("sync: { role: both, interface: eth1, id: 0 }"), [
      "d.conf:1:15: ipvs.sync: warning: service web has servers of another address family behind a tunnel: the kernel takes either those or the sync daemon",
    ]);
    assert.deepEqual(mixed("sync: { role: both, interface: eth1, id: 0 }", "[fd00::9]:80"), []);
    assert.deepEqual(mixed("mode: manage"), []);
  });

  test("the addresses' interface has a name the kernel takes", () => {
    assert.deepEqual(configOf(`vips: { device: ipvs0, withdraw: true }\n${web()}`).vips, {
      device: "ipvs0",
      withdraw: true,
    });
    for (const [vips, refusal] of [
      ["{ withdraw: true }", /vips\.device: missing/],
      ["{ device: averyveryverylongname }", /expected the name of a network interface/],
      ["{ device: a/b }", /expected the name of a network interface/],
      ["{ device: ipvs0, withdraw: yes }", /expected true or false/],
    ] as const)
      assert.match(problemsOf(`vips: ${vips}\n${web()}`).join(), refusal);
  });
});
