import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseAddress } from "../../src/model/address.ts";
import type { Frontend, Service } from "../../src/model/service.ts";
import { wantedAddresses } from "../../src/policy/vips.ts";

function frontend(text: string): Frontend {
  if (text.startsWith("mark")) return { kind: "fwmark", mark: Number(text.slice(4)), family: 4 };
  return { kind: "address", protocol: "tcp", address: parseAddress(text)!, port: 80 };
}

/** `web 192.0.2.1 192.0.2.2`: only what matters here. */
const services = (lines: readonly string[]) =>
  lines.map((line) => {
    const [name, ...vips] = line.split(" ");
    return { name, frontends: vips.map(frontend) } as unknown as Service;
  });

interface Row {
  readonly name: string;
  readonly services: readonly string[];
  readonly lost?: readonly string[];
  readonly leaving?: readonly string[];
  readonly withdraw?: boolean;
  readonly wanted: readonly string[];
  readonly withdrawn?: readonly string[];
}

const rows: readonly Row[] = [
  {
    name: "every address of every service, once; a firewall mark has none",
    services: ["web 192.0.2.1 192.0.2.1 2001:db8::1", "dns 192.0.2.2", "mark mark7"],
    wanted: ["192.0.2.1 web", "2001:db8::1 web", "192.0.2.2 dns"],
  },
  {
    name: "a lost quorum takes nothing off unless that is asked for",
    services: ["web 192.0.2.1"],
    lost: ["web"],
    wanted: ["192.0.2.1 web"],
  },
  {
    name: "a lost quorum takes off the addresses of the service, all of them",
    services: ["web 192.0.2.1 2001:db8::1", "dns 192.0.2.2"],
    lost: ["web"],
    withdraw: true,
    wanted: ["192.0.2.2 dns"],
    withdrawn: ["192.0.2.1 web", "2001:db8::1 web"],
  },
  {
    name: "an address of several services stays while one of them has its quorum",
    services: ["web 192.0.2.1", "tls 192.0.2.1"],
    lost: ["web"],
    withdraw: true,
    wanted: ["192.0.2.1 web, tls"],
  },
  {
    name: "and goes with the last",
    services: ["web 192.0.2.1", "tls 192.0.2.1"],
    lost: ["web", "tls"],
    withdraw: true,
    wanted: [],
    withdrawn: ["192.0.2.1 web, tls"],
  },
  {
    name: "the address of a service that left the file stays for its last connections",
    services: ["web 192.0.2.1"],
    leaving: ["192.0.2.9", "192.0.2.1", "mark7"],
    wanted: ["192.0.2.1 web", "192.0.2.9 "],
  },
  {
    name: "but those connections do not hold up a withdrawal",
    services: ["web 192.0.2.1"],
    lost: ["web"],
    leaving: ["192.0.2.1"],
    withdraw: true,
    wanted: [],
    withdrawn: ["192.0.2.1 web"],
  },
];

describe("which addresses belong on this machine", () => {
  const shown = (map: ReturnType<typeof wantedAddresses>["wanted"]) =>
    [...map].map(([text, { services }]) => `${text} ${services.join(", ")}`);

  for (const { name, services: lines, lost = [], leaving = [], withdraw = false, wanted, withdrawn = [] } of rows)
    test(name, () => {
      const result = wantedAddresses(
        services(lines),
        leaving.map(frontend),
        ({ name }) => !lost.includes(name),
        withdraw,
      );
      assert.deepEqual(shown(result.wanted), wanted);
      assert.deepEqual(shown(result.withdrawn), withdrawn);
    });

  test("law: each address is wanted or withdrawn, never both, and without `withdraw` none is withdrawn", () => {
    const line = fc
      .tuple(fc.constantFrom("a", "b", "c"), fc.array(fc.constantFrom("192.0.2.1", "192.0.2.2", "2001:db8::1")))
      .map(([n, v]) => [n, ...v].join(" "));
    fc.assert(
      fc.property(fc.array(line), fc.subarray(["a", "b", "c"]), fc.boolean(), (lines, lost, withdraw) => {
        const { wanted, withdrawn } = wantedAddresses(
          services(lines),
          [],
          ({ name }) => !lost.includes(name),
          withdraw,
        );
        const all = new Set(lines.flatMap((l) => l.split(" ").slice(1)));
        assert.deepEqual(new Set([...wanted.keys(), ...withdrawn.keys()]), all);
        assert.equal(wanted.size + withdrawn.size, all.size);
        if (!withdraw || lost.length === 0) assert.equal(withdrawn.size, 0);
      }),
    );
  });
});
