import type { Notes } from "../notes.ts";
import { valueReader } from "./block.ts";
import type { Globals } from "./model.ts";
import type { Draft } from "./read-common.ts";
import { MAIL } from "./read-real-server.ts";
import type { Statement } from "./tree.ts";
import { truth, whole } from "./words.ts";

/** What is about VRRP, BFD, processes or logging of keepalived itself, and nothing director could take over. */
const LEFT =
  /^(vrrp_.*|bfd_.*|garp_.*|gna_.*|router_id|lvs_id|startup_script.*|shutdown_script.*|.*process_name|dynamic_interfaces|default_interface|disable_local_igmp|max_auto_priority|min_auto_priority_delay|umask|process_monitor_rcvbuf.*|instance|use_pid_dir|net_namespace|namespace_with_ipsets|iproute_.*|nftables|nftables_counters|nftables_ifindex|nftables_priority|fifo_write_vrrp_states_on_reload|enable_dbus|dbus_.*|snmp_.*|enable_snmp_(vrrp|keepalived|rfc.*)|enable_traps|json_version|random_seed|data_use_instance|smtp_(server|helo_name|connect_timeout|alert_vrrp)|notification_email_from|no_email_faults|email_faults|no_checker_emails|vmac_.*|config_save_dir|tmp_config_directory|state_file_location|keep_script_fds|include_check|linkbeat_.*|script_.*|enable_script_security|rlimit_.*)$/;

/** What another part of director or of the system does. */
const INSTEAD: readonly (readonly [keywords: RegExp, message: string])[] = [
  [/^lvs_flush$/, "not needed: the table is adopted as it is found"],
  [/^lvs_flush_on_stop$/, "the table is kept on stop; `director flush` empties it"],
  [/^checker_log_all_failures$/, "log: { level: debug } shows every probe that fails"],
  [
    /^(checker_(priority|no_swap|rt_priority|cpu_affinity|rlimit_rt?time)|checkers?_.*)$/,
    "belongs into the unit: Nice=, CPUAffinity=, CPUSchedulingPolicy=",
  ],
  [
    /^(reload_check_config|reload_time_file|reload_file|reload_.*)$/,
    "not needed: a bad file changes nothing; `director plan` shows what a reload would change",
  ],
];

const LOST: readonly (readonly [keywords: RegExp, message: string])[] = [
  [/^(notification_email|smtp_alert|smtp_alert_checker)$/, MAIL],
  [
    /^(lvs_)?notify_fifo(_script)?$/,
    "`director events --follow` writes what happens as lines of JSON; hooks run commands",
  ],
  [/^enable_snmp_checker$/, 'there is no SNMP: http: { listen: ["127.0.0.1:9180"] } serves metrics'],
  [/^rs_init_notifies$/, "hooks run when a state changes, not at start"],
  [
    /^nftables_ipvs(_.*)?$/,
    "every address of a group becomes a service of its own in the kernel, instead of one firewall mark with an nft set",
  ],
  [/^net_namespace_ipvs$/, "belongs into the unit: NetworkNamespacePath="],
];

/** `global_defs { … }`: the little of it that is about virtual servers. */
export function readGlobals(statement: Statement, globals: Draft<Globals>, notes: Notes): void {
  for (const each of statement.block ?? []) {
    const { keyword, place } = each;
    const instead = INSTEAD.find(([keywords]) => keywords.test(keyword));
    const lost = LOST.find(([keywords]) => keywords.test(keyword));
    if (keyword === "lvs_timeouts") readTimeouts(each, globals, notes);
    else if (keyword === "lvs_sync_daemon" || keyword === "lvs_sync_daemon_interface") readSync(each, globals, notes);
    else if (instead !== undefined) notes.add("hint", place, keyword, instead[1]);
    else if (lost !== undefined) {
      const off = keyword.startsWith("smtp_alert") && truth(each.args[0]) !== true;
      if (!off) notes.add("dropped", place, keyword, lost[1]);
    } else if (!LEFT.test(keyword))
      notes.add(
        "refused",
        place,
        keyword,
        "unknown in global_defs; if keepalived knows it, it is about keepalived itself",
      );
  }
}

function readTimeouts(statement: Statement, globals: Draft<Globals>, notes: Notes): void {
  const seconds = { tcp: 0, tcpfin: 0, udp: 0 };
  const read = valueReader(notes);
  const { args, place } = statement;
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i];
    const value = whole(args[i + 1], 1, 2_147_483);
    if ((name !== "tcp" && name !== "tcpfin" && name !== "udp") || value === undefined)
      return void read.refuse(statement, "expected tcp, tcpfin or udp, each with its seconds; left out");
    seconds[name] = value;
  }
  if (args.length === 0) return void read.refuse(statement, "nothing stands behind it");
  globals.timeouts = { tcp: seconds.tcp, tcpFin: seconds.tcpfin, udp: seconds.udp, place };
}

/** `lvs_sync_daemon INTERFACE [INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group ADDRESS]`. */
function readSync(statement: Statement, globals: Draft<Globals>, notes: Notes): void {
  const [name = "", ...rest] = statement.args;
  const read = valueReader(notes);
  const { place } = statement;
  if (!/^(?!\.\.?$)[^\s/:]{1,15}$/.test(name)) return void read.refuse(statement, "expected the name of an interface");
  const options = new Map<string, string>();
  const instance = rest.length % 2 === 1 ? rest.shift() : undefined;
  for (let i = 0; i < rest.length; i += 2) options.set(rest[i]!, rest[i + 1]!);
  const id = whole(options.get("id") ?? "0", 0, 255);
  if (id === undefined) return void read.refuse(statement, "expected an id from 0 to 255");
  options.delete("id");
  globals.sync = { role: instance === undefined ? "both" : "master", interface: name, id, place };
  if (instance !== undefined)
    notes.add(
      "changed",
      place,
      statement.keyword,
      `keepalived runs it as master or backup with the state of ${instance}, director in the role the file says: write role: backup on the standby, or role: both on either`,
    );
  if (options.size > 0)
    notes.add("dropped", place, [...options.keys()].join(", "), "the kernel's defaults count for these");
}

/** `SSL { … }`: keepalived loads the issuers, and then never looks at a certificate (check_ssl.c). */
export function readSsl(statement: Statement, notes: Notes): void {
  for (const { keyword, place } of statement.block ?? [])
    if (keyword === "ca")
      notes.add(
        "hint",
        place,
        "SSL ca",
        "keepalived never verifies a certificate, so this has no effect; `verify: true` with `ca` in the https checks does it",
      );
    else if (keyword === "certificate")
      notes.add(
        "dropped",
        place,
        "SSL certificate",
        "write certificate: and key: into the https checks, once the files are on this machine; a key with a password cannot be used",
      );
    else if (keyword !== "key" && keyword !== "password") notes.add("refused", place, keyword, "unknown in SSL");
}
