import { type Stage, stage } from "./stage.ts";

export const CLIENTS = {
  "tcp:192.0.2.10:80": { rate: 40, staysMs: 3_000 },
  "tcp:192.0.2.11:443": { rate: 15, staysMs: 2_000 },
  "tcp:192.0.2.12:25": { rate: 3, staysMs: 4_000 },
};

/** A web service with a standby, one that fails open, one that is scheduled by open connections. */
export function shop(): Promise<Stage> {
  return stage(
    {
      app1: "127.0.1.1",
      app2: "127.0.1.2",
      app3: "127.0.1.3",
      app4: "127.0.1.4",
      api1: "127.0.2.1",
      api2: "127.0.2.2",
      mx1: "127.0.3.1",
      mx2: "127.0.3.2",
    },
    `
  - name: web
    vips: ["192.0.2.10:80", "[2001:db8::10]:80"]
    servers:
      - { name: app1, address: "127.0.1.1:PORT" }
      - { name: app2, address: "127.0.1.2:PORT" }
      - { name: app3, address: "127.0.1.3:PORT", weight: 50 }
      - { name: app4, address: "127.0.1.4:PORT", weight: 0 }
  - name: api
    vip: 192.0.2.11:443
    fail_open: all-down
    servers:
      - { name: api1, address: "127.0.2.1:PORT" }
      - { name: api2, address: "127.0.2.2:PORT" }
  - name: mail
    vip: 192.0.2.12:25
    scheduler: wlc
    check: { type: tcp }
    servers:
      - { name: mx1, address: "127.0.3.1:PORT" }
      - { name: mx2, address: "127.0.3.2:PORT" }
`,
  );
}

/** 25 services of 40 servers. All of 127.0.0.0/8 is this machine: one listener is all of them.
 *  @param down how many of the last service's servers nobody answers for */
export function thousand(down: number): Promise<Stage> {
  const services = Array.from({ length: 25 }, (_, s) => {
    const servers = Array.from({ length: 40 }, (_, n) => {
      const dead = s === 24 && n >= 40 - down;
      return `      - { name: node-${s}-${n}, address: "127.1.${s}.${n + 1}:${dead ? 1 : "PORT"}" }`;
    });
    return `  - name: service-${s}\n    vip: 192.0.2.${s + 1}:80\n    servers:\n${servers.join("\n")}`;
  });
  // No faster than what the numbers need: other tests run beside this one.
  return stage(
    { all: "0.0.0.0" },
    services.join("\n"),
    "{ type: tcp, interval: 5s, timeout: 2s, fast_interval: 500ms }",
  );
}
