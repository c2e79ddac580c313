import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ServerVerdict } from "../../src/health/server.ts";
import type { IpvsTable } from "../../src/ipvs/table.ts";
import type { MonotonicMs } from "../../src/model/time.ts";
import type { ServiceDecision } from "../../src/policy/decide.ts";
import { desired } from "../../src/policy/desired.ts";
import { NO_INTENT } from "../../src/policy/moves.ts";
import { renderListing } from "../ipvs/render.ts";
import { configOf, runKeepalived } from "./support.ts";

/*
 * What `ipvsadm -Sn` says after the start, with servers dead, and when they are back: as keepalived writes it, by its source
 * (check/ipwrapper.c: init_service_rs, perform_svr_state, update_quorum_state), and as director wants it after the import.
 */

const UP: ServerVerdict = { kind: "up", since: 0 as MonotonicMs, recoveredAt: undefined };
const DOWN: ServerVerdict = { kind: "down", since: 0 as MonotonicMs, reason: "connection refused" };
const START: ServerVerdict = { kind: "presumed-up", since: 0 as MonotonicMs };

/** The table after each of these moments: `start`, or the servers that are dead then. */
function tables(text: string, moments: readonly (readonly string[] | "start")[]): readonly string[] {
  const config = configOf(runKeepalived(text));
  let actual: IpvsTable = new Map();
  let before: ReadonlyMap<string, ServiceDecision> = new Map();
  return moments.map((dead) => {
    const result = desired({
      config,
      intent: () => NO_INTENT,
      verdict: (_, server) => (dead === "start" ? START : dead.includes(server.address.text) ? DOWN : UP),
      expireQuiescentTemplate: false,
      actual,
      now: 0 as MonotonicMs,
      before: (service) => before.get(service.key),
    });
    actual = result.table;
    before = result.services;
    return renderListing(result.table).trimEnd();
  });
}

const pool = (lines: string, servers: readonly string[]) =>
  `virtual_server 192.0.2.10 80 {\nprotocol TCP\nlb_algo wrr\n${lines}\n${servers.map((server) => `real_server ${server}\n`).join("")}}\n`;
const [A, B] = ["10.0.0.1 8080 {\nweight 3\nTCP_CHECK {\n}\n}", "10.0.0.2 80 {\nTCP_CHECK {\n}\n}"] as const;
const lines = (text: string) => text.split("\n").map((line) => line.trim());

describe("the kernel's table after an import is the one keepalived wrote", () => {
  const rows: readonly (readonly [
    what: string,
    text: string,
    moments: Parameters<typeof tables>[1],
    expected: readonly string[],
  ])[] = [
    [
      "a server that fails is deleted, and comes back with its weight",
      pool("", [A, B]),
      ["start", ["10.0.0.1"], []],
      [
        `-A -t 192.0.2.10:80 -s wrr
         -a -t 192.0.2.10:80 -r 10.0.0.1:8080 -m -w 3
         -a -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 1`,
        `-A -t 192.0.2.10:80 -s wrr
         -a -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 1`,
        `-A -t 192.0.2.10:80 -s wrr
         -a -t 192.0.2.10:80 -r 10.0.0.1:8080 -m -w 3
         -a -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 1`,
      ],
    ],
    [
      "with inhibit_on_failure it has weight 0, the last one too",
      pool("inhibit_on_failure\npersistence_timeout 50", [A, B]),
      [["10.0.0.1"], ["10.0.0.1", "10.0.0.2"]],
      [
        `-A -t 192.0.2.10:80 -s wrr -p 50
         -a -t 192.0.2.10:80 -r 10.0.0.1:8080 -m -w 0
         -a -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 1`,
        `-A -t 192.0.2.10:80 -s wrr -p 50
         -a -t 192.0.2.10:80 -r 10.0.0.1:8080 -m -w 0
         -a -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 0`,
      ],
    ],
    [
      "direct routing keeps the virtual server's port; a lost quorum alone changes nothing",
      pool("lb_kind DR\nquorum 2", [A, B, "10.0.0.3 80 {\nweight 0\n}"]),
      ["start", ["10.0.0.1"]],
      [
        `-A -t 192.0.2.10:80 -s wrr
         -a -t 192.0.2.10:80 -r 10.0.0.1:80 -g -w 3
         -a -t 192.0.2.10:80 -r 10.0.0.2:80 -g -w 1
         -a -t 192.0.2.10:80 -r 10.0.0.3:80 -g -w 0`,
        `-A -t 192.0.2.10:80 -s wrr
         -a -t 192.0.2.10:80 -r 10.0.0.2:80 -g -w 1
         -a -t 192.0.2.10:80 -r 10.0.0.3:80 -g -w 0`,
      ],
    ],
    [
      "the sorry server comes when the last server has gone",
      pool("sorry_server 10.0.0.9 80", [A, B]),
      [["10.0.0.1"], ["10.0.0.1", "10.0.0.2"]],
      [
        `-A -t 192.0.2.10:80 -s wrr
         -a -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 1`,
        `-A -t 192.0.2.10:80 -s wrr
         -a -t 192.0.2.10:80 -r 10.0.0.9:80 -m -w 1`,
      ],
    ],
    [
      "below the quorum, with inhibit_on_failure, it serves alone and the living have weight 0",
      pool("sorry_server 10.0.0.9 80\nquorum 2\ninhibit_on_failure", [A, B]),
      [["10.0.0.1"]],
      [
        `-A -t 192.0.2.10:80 -s wrr
         -a -t 192.0.2.10:80 -r 10.0.0.1:8080 -m -w 0
         -a -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 0
         -a -t 192.0.2.10:80 -r 10.0.0.9:80 -m -w 1`,
      ],
    ],
    [
      "below it, without, the living have weight 0, too: keepalived would delete them, and the import says so",
      pool(
        "sorry_server 10.0.0.9 80\nquorum 2",
        [A, B].map((server) => server.replace("weight 3", "weight 1")),
      ),
      [["10.0.0.1"]],
      [
        `-A -t 192.0.2.10:80 -s wrr
         -a -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 0
         -a -t 192.0.2.10:80 -r 10.0.0.9:80 -m -w 1`,
      ],
    ],
    [
      "a mark, a scheduler's flags, a tunnel",
      "virtual_server fwmark 7 {\nlb_algo mh\nmh-port\nlb_kind TUN type gue port 5555\nreal_server 10.0.0.1 {\n}\n}\n",
      ["start"],
      [
        `-A -f 7 -s mh -b mh-port
         -a -f 7 -r 10.0.0.1:0 -i -w 1 --tun-type gue --tun-port 5555 --tun-nocsum`,
      ],
    ],
  ];
  for (const [what, text, moments, expected] of rows)
    test(what, () => {
      const found = tables(text, moments);
      for (const [i, table] of expected.entries()) assert.deepEqual(lines(found[i]!), lines(table), `moment ${i + 1}`);
    });
});
