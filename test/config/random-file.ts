import fc from "fast-check";

/** A key that may be left out. */
function maybe<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(value, { nil: undefined });
}

const duration = (min: number, max: number) => fc.integer({ min, max }).map((ms) => `${ms}ms`);
const seconds = (min: number, max: number) => fc.integer({ min, max }).map((s) => `${s}s`);
const port = fc.integer({ min: 1, max: 65_535 });
const bool = fc.boolean();

/** Any text, awkward ones more often than by chance. */
const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }),
  fc.constantFrom(
    "null",
    "~",
    "true",
    "0660",
    "1e3",
    "a: b",
    "- x",
    "#",
    "'",
    '"',
    "\r\n",
    "a\nb\n",
    " lead",
    "trail ",
    "&a",
    "*a",
    "%",
    "@",
    "!!x",
    "\u0000",
    "\t",
    "---",
    "x\n...\n",
  ),
);
const line = text.map((t) => t.replace(/\p{Cc}/gu, "_"));

const hex = fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString("hex"));
/** Never `{ text: … }`: a server's would be merged with its service's `{ hex: … }`, and only one of both may be there. */
const payload = fc.oneof(
  text,
  hex.map((h) => ({ hex: h })),
);

const tcp = fc.record({
  type: fc.constant("tcp"),
  send: maybe(payload),
  expect: maybe(payload),
  close: maybe(fc.constantFrom("fin", "reset")),
});
/** Within a service either all expect a reply or none does: what one expects, others inherit. */
const udp = (quiet: boolean) =>
  quiet
    ? fc.record({ type: fc.constant("udp"), send: payload, silence: fc.constant("pass") })
    : fc.record({ type: fc.constant("udp"), send: payload, expect: payload });
const status = fc.constantFrom("200", "200-299", ["200", "204-206"]);
/** Always in a list: a server's single one would be merged with its service's. */
const jsonDemand = fc.oneof(
  fc.record({
    path: fc.constantFrom("$.status", "$..a[?@.b>1]", "$['x y'][-1]"),
    equals: maybe(fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 3 }))),
  }),
  fc.record({
    path: fc.constant("$.depth"),
    min: maybe(fc.integer({ min: -9, max: 0 })),
    max: maybe(fc.constantFrom(0, 0.5, 1e6)),
  }),
);
const httpKeys = {
  path: maybe(fc.constantFrom("/", "/healthz?a=b&c=%20", "/a'b")),
  // Not HEAD: its reply has no body, and a body that is expected may be inherited.
  method: maybe(fc.constantFrom("GET", "OPTIONS")),
  host: maybe(fc.constantFrom("www.example.com", "[2001:db8::1]:8080")),
  headers: maybe(fc.constant({ "X-Probe": "director", Accept: "*/*" })),
  expect: maybe(
    fc.record({
      status: maybe(status),
      body: maybe(
        fc.record({
          contains: text,
          json: maybe(fc.array(jsonDemand, { minLength: 1, maxLength: 3 })),
        }),
      ),
    }),
  ),
  max_body: maybe(fc.constantFrom("64KiB", "1000")),
  max_latency: maybe(duration(1, 9)),
  reuse_connection: maybe(bool),
};
const http = fc.record({ type: fc.constant("http"), ...httpKeys });
const https = fc.record({
  type: fc.constant("https"),
  ...httpKeys,
  verify: maybe(bool),
  sni: maybe(fc.constant("a.example")),
  version: maybe(fc.constantFrom("1.1", "2")),
  certificate_days_left: maybe(fc.integer({ min: 1, max: 3650 })),
});

const exec = fc.record({
  type: fc.constant("exec"),
  command: fc.tuple(fc.constantFrom("/bin/true", "/usr/lib/a b"), line, fc.constantFrom("{address}", "", "~")),
  dynamic_weight: maybe(bool),
  env: maybe(fc.constantFrom({ KEY: "value" }, { A_B: "", C: "null" })),
});
const agent = fc.record({ type: fc.constant("agent"), send: maybe(payload), port });

const timings = fc.record({
  interval: maybe(duration(1000, 60_000)),
  timeout: maybe(duration(10, 10_000)),
  fall: maybe(fc.integer({ min: 1, max: 100 })),
  rise: maybe(fc.integer({ min: 1, max: 100 })),
  fast_interval: maybe(duration(100, 1000)),
  down_interval: maybe(duration(100, 60_000)),
});

function check(types: fc.Arbitrary<object>, withPort: boolean): fc.Arbitrary<object> {
  return fc
    .tuple(types, timings, withPort ? port : maybe(port), maybe(fc.constantFrom("10.9.9.9", "10.8.8.8")), fc.boolean())
    .map(([type, pace, at, address, asked]) => ({
      ...type,
      ...pace,
      ...(at !== undefined && { port: at }),
      ...(asked ? { address } : {}),
    }));
}

interface Kind {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly marked: boolean;
  readonly quiet: boolean;
  readonly forward: "masquerade" | "direct" | "tunnel";
}

/** `checks` with the same probe twice are a mistake, so a list holds different ports. */
function checking(kind: Kind): fc.Arbitrary<object> {
  const types = fc.oneof(tcp, udp(kind.quiet), exec, agent, ...(kind.protocol === "udp" ? [] : [http, https]));
  const one = check(types, kind.marked || kind.forward !== "masquerade" || kind.protocol === "sctp");
  return fc.oneof(
    { weight: 5, arbitrary: one.map((c) => ({ check: c })) },
    { weight: 1, arbitrary: fc.constant({ check: "none" }) },
    {
      weight: 2,
      arbitrary: fc
        .array(one, { minLength: 1, maxLength: 3 })
        .map((list) => ({ checks: list.map((c, i) => ({ ...c, port: 1000 + i })) })),
    },
  );
}

const tunnel = fc.oneof(
  fc.constant({ type: "ipip" }),
  fc.record({ type: fc.constant("gre"), checksum: maybe(fc.constantFrom("none", "checksum")) }),
  fc.record({ type: fc.constant("gue"), port, checksum: maybe(fc.constantFrom("none", "checksum", "remote")) }),
);

const labels = fc.dictionary(fc.stringMatching(/^[a-z][\w.-]{0,6}$/), line, { maxKeys: 3 });

function servers(kind: Kind, service: number): fc.Arbitrary<readonly object[]> {
  const server = fc.record({
    weight: maybe(fc.integer({ min: 0, max: 65_535 })),
    limits: maybe(
      fc.constantFrom({ max_connections: 0 }, { max_connections: 9, min_connections: 9 }, { max_connections: 8 }),
    ),
    labels: maybe(labels),
    port: maybe(port),
    named: fc.boolean(),
    own: maybe(checking(kind)),
  });
  return fc.array(server, { maxLength: 4 }).map((list) =>
    list.map(({ named, own, port, limits, ...rest }, i) => ({
      ...rest,
      ...limits,
      ...own,
      ...(named ? { name: `s${i}` } : {}),
      ...(kind.forward === "masquerade" ? { port } : {}),
      address: `10.1.${service}.${i}`,
    })),
  );
}

function service(i: number): fc.Arbitrary<object> {
  const kinds = fc.record({
    protocol: fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const),
    marked: fc.boolean(),
    quiet: fc.boolean(),
    forward: fc.constantFrom("masquerade" as const, "direct" as const, "tunnel" as const),
  });
  return kinds.chain((kind) => {
    const udpIsh = kind.marked || kind.protocol === "udp";
    return fc
      .record({
        vips: fc.constantFrom(
          [`192.0.2.${i}:80`],
          [`192.0.2.${i}:80`, `[2001:db8::${i}]:80`],
          [`[2001:db8::${i}]:80`],
          [`192.0.2.${i}:80`, `192.0.2.${i}:7000-7003`, `192.0.2.${i}:79`],
        ),
        family: maybe(fc.constantFrom("ipv4", "ipv6")),
        scheduling: fc.constantFrom(
          {},
          { scheduler: "mh", scheduler_flags: ["mh-port", "flag-1"] },
          { scheduler: "sh", scheduler_flags: ["sh-port"] },
          { scheduler: "wlc", scheduler_flags: ["flag-3"] },
        ),
        one_packet: maybe(udpIsh ? bool : fc.constant(false)),
        persistence: maybe(
          fc.record({
            timeout: seconds(1, 2_678_400),
            netmask: maybe(fc.constantFrom({ ipv4: 24 }, { ipv6: 64 }, { ipv4: "255.255.0.0", ipv6: 48 })),
            engine: maybe(udpIsh ? fc.constant("sip") : fc.constant(undefined)),
          }),
        ),
        on_failure: maybe(fc.constantFrom("auto", "quiesce", "remove")),
        initial: maybe(fc.constantFrom("adopt", "up", "down")),
        quorum: maybe(fc.constantFrom({ up: 2 }, { up: "75%", down: "12.5%" }, { up: 3, down: 2 }, { up: "50%" })),
        sorry_server: maybe(fc.constant({ address: "10.7.7.7" })),
        fail_open: maybe(fc.constantFrom("never", "all-down")),
        slow_start: maybe(seconds(1, 86_400)),
        flap: maybe(
          fc.record(
            { count: fc.integer({ min: 2, max: 100 }), within: seconds(1, 86_400), hold: seconds(1, 3_600) },
            { requiredKeys: [] },
          ),
        ),
        removal_grace: maybe(duration(0, 3_600_000)),
        weight: maybe(fc.integer({ min: 0, max: 65_535 })),
        max_connections: maybe(fc.integer({ min: 5, max: 2_147_483_647 })),
        check: checking(kind),
        servers: servers(kind, i),
        tunnel,
        port: maybe(port),
      })
      .map(({ vips, family, scheduling, check, tunnel, port, ...rest }) => ({
        name: `v${i}`,
        ...(kind.marked ? { fwmark: i + 1, family } : { vips, protocol: kind.protocol }),
        forward: kind.forward,
        ...(kind.forward === "tunnel" && rest.servers.length > 0 ? { tunnel } : {}),
        ...(kind.forward === "masquerade" ? { port } : {}),
        ...scheduling,
        ...check,
        ...rest,
        allow_empty: true,
      }));
  });
}

const events = fc.constantFrom(["all"], ["server.down", "drain"], ["weight.0", "service.*"]);
const action = fc.oneof(
  fc.array(line, { maxLength: 3 }).map((rest) => ({ command: ["/opt/a hook", ...rest] })),
  fc.record({
    url: fc.constant("https://a.example/b?c=d"),
    verify: maybe(bool),
    headers: maybe(fc.constant({ A: "b" })),
    body: maybe(text.map((t) => ({ text: "{hostname}: {message}", list: ["~", { a: "", b: t }] }))),
  }),
  fc.constant({ url: "http://[2001:db8::1]:8080/" }),
);

/** A file that is right, as text. JSON is YAML. */
export const randomFile: fc.Arbitrary<string> = fc
  .record({
    ipvs: maybe(
      fc.record({
        mode: maybe(fc.constantFrom("manage", "observe")),
        backend: maybe(fc.constantFrom("ipvsadm", "memory")),
        command: maybe(fc.constant("/opt/ipvs adm")),
        timeout: maybe(duration(100, 600_000)),
        resync: maybe(duration(1000, 86_400_000)),
        drift: maybe(fc.constantFrom("repair", "report")),
        sync: maybe(
          fc.record({
            role: fc.constantFrom("master", "backup", "both"),
            interface: fc.constant("eth1.5"),
            id: fc.nat(255),
          }),
        ),
        timeouts: maybe(
          fc.record({ tcp: seconds(1, 2_678_400), tcp_fin: maybe(seconds(1, 60)), udp: maybe(seconds(1, 60)) }),
        ),
      }),
    ),
    vips: maybe(fc.record({ device: fc.constantFrom("ipvs0", "lo"), withdraw: maybe(bool) })),
    state: maybe(fc.constant({ directory: "/var/lib/x" })),
    control: maybe(
      fc.record({
        socket: maybe(fc.constant("/run/a b.sock")),
        mode: maybe(fc.constantFrom("0600", "777")),
        group: maybe(text),
        read_only: maybe(fc.record({ socket: fc.constant("/run/ro.sock"), mode: maybe(fc.constant("0o644")) })),
      }),
    ),
    http: maybe(
      fc.record({
        listen: fc.constantFrom(["127.0.0.1:1", "[::]:9180"], ["0.0.0.0:80"]),
        hosts: maybe(fc.constant(["lb.example"])),
      }),
    ),
    log: maybe(
      fc.record({
        level: maybe(fc.constantFrom("debug", "info", "warn", "error")),
        format: maybe(fc.constantFrom("auto", "journal", "text", "json")),
      }),
    ),
    reload: maybe(fc.integer({ min: 0, max: 100_000 }).map((n) => ({ max_removed: `${n / 1000}%` }))),
    hooks: maybe(
      fc
        .array(
          fc.record({
            on: events,
            timeout: maybe(duration(100, 600_000)),
            queue: maybe(fc.integer({ min: 1, max: 100_000 })),
            action,
          }),
          { maxLength: 3 },
        )
        .map((list) => list.map(({ action, ...rest }, i) => ({ name: `h${i}`, ...rest, ...action }))),
    ),
    defaults: maybe(fc.record({ weight: fc.nat(65_535), check: maybe(timings), persistence: fc.constant("none") })),
    services: fc.integer({ min: 0, max: 3 }).chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => service(i)))),
  })
  .map((file) => JSON.stringify({ ...file, allow_empty: true }, null, 1));
