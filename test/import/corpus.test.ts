import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { configOf, runFile } from "./support.ts";

/*
 * Whole files. A line that cannot be taken over as it stands says at its end what is said of it: `# => dropped omega | changed alpha`, with the
 * beginning of what it is about; a line of comment says it of the next one. Everything else is exact.
 */

const folder = join(import.meta.dirname, "corpus");
const files = globSync(["*.conf", "*.cf"], { cwd: folder }).sort();

/** What a file says about itself: `losses.conf:12 dropped omega`. */
function expected(file: string): readonly string[] {
  const lines = readFileSync(join(folder, file), "utf8").split("\n");
  return lines.flatMap((line, i) => {
    const mark = /# => (.*)$/.exec(line)?.[1];
    const number = i + (/^\s*#/.test(line) ? 2 : 1);
    return mark === undefined ? [] : mark.split(" | ").map((each) => `${file}:${number} ${each.trim()}`);
  });
}

describe("whole files", () => {
  test("there are some", () => assert.ok(files.length >= 6, files.join(", ")));

  for (const file of files) {
    const ran = runFile(join(folder, file));

    test(`${file}: exactly what its lines say is lost`, () => {
      const found = ran.notes
        .filter(({ kind }) => kind !== "hint")
        .map(({ kind, place, subject }) => `${basename(place.file)}:${place.line} ${kind} ${subject}`);
      assert.deepEqual(found, expected(file));
    });

    test(`${file}: director takes what is written`, () => assert.ok(configOf(ran).services.length > 0));

    test(`${file}: every loss stands in the file as a comment, too`, () => {
      const unfolded = ran.text!.replaceAll(/\n\s*# {3}/g, " ");
      for (const { message } of ran.notes) assert.ok(unfolded.includes(message), message);
    });

    test(`${file}: with --recommended nothing else is lost`, () => {
      const recommended = runFile(join(folder, file), { recommended: true });
      assert.deepEqual(recommended.losses, ran.losses);
      for (const { onFailure, initial } of configOf(recommended).services)
        assert.deepEqual([onFailure, initial], ["auto", "adopt"]);
    });
  }

  /** Every keyword about virtual servers that keepalived.conf(5) has (2.3), and those of its includes, conditions and series. */
  const KEYWORDS =
    "virtual_server virtual_server_group real_server lvs_sched lb_algo lvs_method lb_kind ops flag-1 sh-port sh-fallback mh-port mh-fallback hashed protocol ip_family persistence_timeout persistence_granularity persistence_engine quorum hysteresis quorum_up quorum_down alpha omega sorry_server sorry_server_inhibit sorry_server_lvs_method inhibit_on_failure weight smtp_alert ha_suspend virtualhost snmp_name delay_loop backup_real_server failover_threshold failover_up username retry delay_before_retry warmup connect_timeout uthreshold lthreshold notify_up notify_down TCP_CHECK HTTP_GET SSL_GET UDP_CHECK DNS_CHECK SMTP_CHECK MISC_CHECK PING_CHECK FILE_CHECK BFD_CHECK url path status_code digest regex regex_no_match regex_options regex_min_offset regex_max_offset regex_stack http_protocol fast_recovery enable_sni sni_name tls_compliant nb_get_retry payload require_reply min_reply_length max_reply_length type name helo_name misc_path misc_timeout misc_dynamic user track_file connect_ip connect_port bindto bind_port bind_if fwmark log_all_failures lvs_flush lvs_flush_on_stop lvs_timeouts lvs_sync_daemon nftables_ipvs checker_log_all_failures notification_email smtp_alert_checker lvs_notify_fifo enable_snmp_checker rs_init_notifies checker_priority reload_check_config SSL ca certificate key password include ~SEQ ~LST";
  const used = new Set(
    globSync("**/*.conf", { cwd: folder })
      .flatMap((file) => readFileSync(join(folder, file), "utf8").split("\n"))
      .flatMap((line) => line.replace(/# =>.*/, "").split(/[\s{}()]+/)),
  );
  test("every keyword stands in one of them", () => {
    assert.deepEqual(
      KEYWORDS.split(" ").filter((keyword) => !used.has(keyword)),
      [],
    );
  });
});
