import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { contains, parseNet } from "../../src/doctor/nets.ts";
import { parseAddress } from "../../src/model/address.ts";

describe("nets", () => {
  for (const [net, inside, outside] of [
    ["10.0.0.0/8", "10.255.255.255", "11.0.0.0"],
    ["10.9.0.77/24", "10.9.0.1", "10.9.1.0"],
    ["10.9.0.0/255.255.255.128", "10.9.0.127", "10.9.0.128"],
    ["10.9.0.1", "10.9.0.1", "10.9.0.2"],
    ["255.255.255.255/32", "255.255.255.255", "255.255.255.254"],
    ["10.9.0.10-10.9.1.20", "10.9.1.0", "10.9.1.21"],
    ["0.0.0.0/0", "203.0.113.9", "::1"],
    ["fd00::/8", "fdff::1", "fe00::"],
    ["fd00:9:1::/64", "fd00:9:1:0:ffff::", "fd00:9:1:1::"],
    ["::/0", "2001:db8::1", "10.0.0.1"],
    ["fd00::1-fd00::ff", "fd00::80", "fd00::100"],
    ["::ffff:10.0.0.1", "::ffff:a00:1", "10.0.0.1"],
  ] as const)
    test(`${net} has ${inside} and not ${outside}`, () => {
      const read = parseNet(net)!;
      assert.deepEqual(
        [inside, outside].map((text) => contains(read, parseAddress(text)!)),
        [true, false],
      );
    });

  for (const text of ["", "10.0.0.0/33", "10.0.0.0/x", "nonsense", "10.0.0.1-fd00::1", "fd00::/129", "10.0.0.0/-1"])
    test(`${text || "nothing"} is none`, () => assert.equal(parseNet(text), undefined));
});
