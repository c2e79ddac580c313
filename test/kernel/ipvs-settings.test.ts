import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parseSyncDaemons } from "../../src/ipvs/sync-daemons.ts";
import { parseTimeouts } from "../../src/ipvs/timeouts.ts";
import { ipvsadmSettings } from "../../src/kernel/ipvs-settings.ts";

const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), "director-settings-"));
after(() => rmSync(folder, { recursive: true }));

describe("as ipvsadm 1.31 prints them over Linux 6.1", () => {
  test("timeouts", () => {
    assert.deepEqual(parseTimeouts("Timeout (tcp tcpfin udp): 900 60 2678400\n"), {
      tcp: 900,
      tcpFin: 60,
      udp: 2_678_400,
    });
    for (const text of ["", "Timeout (tcp tcpfin udp): 900 60\n", "IP Virtual Server\n"])
      assert.equal(parseTimeouts(text), undefined);
  });

  test("sync daemons", () => {
    const both = `master sync daemon (mcast=sync0, syncid=1, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)
backup sync daemon (mcast=eth1.5, syncid=255, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)
`;
    assert.deepEqual(parseSyncDaemons(both), [
      { role: "master", interface: "sync0", id: 1 },
      { role: "backup", interface: "eth1.5", id: 255 },
    ]);
    assert.deepEqual(parseSyncDaemons(""), []);
  });
});

describe("in the words of ipvsadm", () => {
  const seen = join(folder, "seen");
  const path = join(folder, "ipvsadm");
  writeFileSync(
    path,
    `#!/bin/sh\necho "$@" >>'${seen}'\ncase "$*" in *nosuch*) echo 'No such device' >&2; exit 255;; esac\n`,
  );
  chmodSync(path, 0o755);
  const settings = ipvsadmSettings({ command: path, timeoutMs: 20_000 });

  test("what is left out of the timeouts is 0, which leaves it as it is", async () => {
    await settings.setTimeouts({ tcpFin: 60 }, never);
    await settings.startDaemon({ role: "backup", interface: "eth1", id: 7 }, never);
    await settings.stopDaemon("master", never);
    assert.deepEqual(readFileSync(seen, "utf8").trim().split("\n"), [
      "--set 0 60 0",
      "--start-daemon backup --mcast-interface eth1 --syncid 7",
      "--stop-daemon master",
    ]);
  });

  test("a refusal rejects with its words, and an answer that cannot be read is none", async () => {
    await assert.rejects(settings.startDaemon({ role: "master", interface: "nosuch", id: 1 }, never), /No such device/);
    await assert.rejects(settings.timeouts(never), /cannot read ""/);
  });
});
