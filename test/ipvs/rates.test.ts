import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRates } from "../../src/ipvs/stats.ts";

test("rates are read for services and their servers; what cannot be read is left out", () => {
  const rates = parseRates(`IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS
  -> RemoteAddress:Port
TCP  192.0.2.10:80                      30      240      170    15370    18340
  -> 10.0.0.11:8080                     20      160      113    10246    12226
  -> 10.0.0.12:8080                     10       80       57     5124     6114
  -> [fd00::5]:8080                      ?        0        0        0        0
FWM  7 IPv6                              2        4        3      100      200
  -> [fd00::9]:80                        2        4        3      100      200
`);
  assert.deepEqual(
    [...rates].map(([service, { perSecond, servers }]) => [service, perSecond, ...servers]),
    [
      ["tcp:192.0.2.10:80", 30, ["10.0.0.11:8080", 20], ["10.0.0.12:8080", 10]],
      ["fwmark6:7", 2, ["[fd00::9]:80", 2]],
    ],
  );
});
