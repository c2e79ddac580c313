import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { effective } from "../../src/config/effective.ts";
import { formatProblem } from "../../src/config/parse.ts";
import { randomFile } from "./random-file.ts";
import { configOf, parse, probeTypes } from "./support.ts";

describe("the effective configuration", () => {
  test("means the same as the file, whatever the file, and is its own effective configuration", () => {
    fc.assert(
      fc.property(randomFile, (file) => {
        const config = configOf(file);
        const written = effective(config, probeTypes);
        const { config: again, problems } = parse(written);
        assert.ok(again, `${problems.map(formatProblem).join("\n")}\n${written}`);
        assert.deepEqual(again, config);
        assert.equal(effective(again, probeTypes), written);
      }),
      { numRuns: 100 },
    );
  });

  test("a configuration is plain data: it comes whole from the thread that parsed it", () => {
    fc.assert(
      fc.property(randomFile, (file) => {
        const parsed = parse(file);
        assert.deepEqual(structuredClone(parsed), parsed);
      }),
      { numRuns: 100 },
    );
  });

  for (const name of ["contract-example.conf", "../../config/director.conf"])
    test(`${name} survives`, () => {
      const text = readFileSync(new URL(name, import.meta.url), "utf8").replace("include: [conf.d/*.yaml]", "");
      const config = configOf(text);
      assert.deepEqual(configOf(effective(config, probeTypes)), config);
    });

  test("prints every default and nothing inherited", () => {
    const config = configOf(`defaults: { check: { type: http } }
services:
  - { name: web, vip: "192.0.2.1:80", servers: [{ address: 10.0.0.1, weight: 5, labels: { answer: "null" } }] }`);
    assert.equal(
      effective(config, probeTypes),
      `ipvs:
  mode: manage
  backend: ipvsadm
  command: /usr/sbin/ipvsadm
  timeout: 10s
  resync: 30s
  drift: repair
state:
  directory: /var/lib/director
control:
  socket: /run/director/control.sock
  mode: 0660
log:
  level: info
  format: auto
reload:
  max_removed: 50%
services:
  - name: web
    vips: [ 192.0.2.1:80 ]
    protocol: tcp
    scheduler: wrr
    scheduler_flags: []
    one_packet: false
    on_failure: auto
    initial: adopt
    quorum:
      up: 1
      down: 1
    fail_open: never
    removal_grace: 10m
    servers:
      - name: 10.0.0.1
        address: 10.0.0.1
        weight: 5
        forward: masquerade
        labels:
          answer: "null"
        check:
          type: http
          port: 80
          interval: 2s
          fast_interval: 1s
          down_interval: 5s
          timeout: 2s
          fall: 3
          rise: 2
          path: /
          method: GET
          headers: {}
          expect:
            status: 200-299
          max_body: 64KiB
          reuse_connection: false
`,
    );
  });
});
