/** One default of director.conf. */
export interface Default {
  /** As it would be written in the file, so that units and spelling are the file's own. */
  readonly value: string;
  readonly reason: string;
  /** Where the number or word comes from. */
  readonly source: string;
}

/** Every default there is, by the path of its key; nothing else in the code supplies one. Check types keep those of their own keys beside
 *  their schemas. */
export const DEFAULTS = {
  "ipvs.mode": { value: "manage", reason: "the program's purpose", source: "own choice" },
  "ipvs.backend": {
    value: "ipvsadm",
    reason: "the kernel's table; memory is for demos and tests",
    source: "own choice",
  },
  "ipvs.command": {
    value: "/usr/sbin/ipvsadm",
    reason: "where distributions install it",
    source: "Debian ipvsadm 1.31",
  },
  "ipvs.timeout": {
    value: "10s",
    reason: "a call takes 0.06 to 0.9 s even with 1,000 lines; longer means it hangs",
    source: "measured, ipvsadm -R of 1,000 edits: 0.86 s",
  },
  "ipvs.resync": {
    value: "30s",
    reason: "full read back; weights and counts are compared every 5s besides",
    source: "own choice",
  },
  "ipvs.drift": { value: "repair", reason: "the file is the truth", source: "own choice" },
  "vips.withdraw": {
    value: "false",
    reason: "an address that goes takes its open connections along: that must be wanted",
    source: "own choice",
  },
  "state.directory": { value: "/var/lib/director", reason: "StateDirectory=director", source: "systemd.exec(5), FHS" },
  "control.socket": {
    value: "/run/director/control.sock",
    reason: "RuntimeDirectory=director",
    source: "systemd.exec(5), FHS",
  },
  "control.mode": {
    value: "0660",
    reason: "connecting needs the write bit; owner and group command",
    source: "unix(7)",
  },
  "control.read_only.mode": { value: "0666", reason: "reading is for everyone on the machine", source: "own choice" },
  "log.level": { value: "info", reason: "transitions and actions, not every probe", source: "own choice" },
  "log.format": { value: "auto", reason: "journal, terminal or JSON, whichever is there", source: "own choice" },
  "reload.max_removed": {
    value: "50%",
    reason: "a template that rendered half of its input is the usual accident",
    source: "own choice",
  },
  "hook.timeout": {
    value: "10s",
    reason: "a mail or a request takes one; longer means it hangs",
    source: "own choice",
  },
  "hook.queue": {
    value: "1000",
    reason: "every server of a large pool at once, twice; some 500 KB at most",
    source: "own choice",
  },
  "service.protocol": { value: "tcp", reason: "by far the most usual", source: "own choice" },
  "service.scheduler": {
    value: "wrr",
    reason: "the only one under which weights are shares",
    source: "measured, 99:1 gives 198 and 2 of 200 connections",
  },
  "service.one_packet": { value: "false", reason: "flows keep their server", source: "ipvsadm(8), --ops" },
  "service.on_failure": {
    value: "auto",
    reason: "weight 0, removed only where weight 0 is not enough",
    source: "own choice",
  },
  "service.initial": { value: "adopt", reason: "a restart moves no traffic", source: "own choice" },
  "service.quorum.up": { value: "1", reason: "one healthy server serves", source: "keepalived, quorum 1" },
  "service.quorum.down": {
    value: "1",
    reason: "lost when the last healthy server is",
    source: "keepalived, hysteresis 0",
  },
  "service.fail_open": {
    value: "never",
    reason: "sending clients to failed servers must be a decision",
    source: "own choice",
  },
  "service.flap.count": { value: "5", reason: "a restart or two are no flapping", source: "own choice" },
  "service.flap.within": {
    value: "10m",
    reason: "five outages an hour are an operator's business",
    source: "own choice",
  },
  "service.flap.hold": {
    value: "5m",
    reason: "long enough to look after it, short enough to forgive",
    source: "own choice",
  },
  "service.flap.max": {
    value: "1h",
    reason: "as long as routers keep a flapping route away",
    source: "RFC 2439, suppressed for up to an hour",
  },
  "service.removal_grace": {
    value: "10m",
    reason: "time for connections to end before an entry is deleted under them",
    source: "own choice",
  },
  "server.weight": { value: "100", reason: "shares then read as percentages of one server", source: "own choice" },
  "server.forward": { value: "masquerade", reason: "needs nothing to be set up on the servers", source: "own choice" },
  "server.max_connections": { value: "0", reason: "no limit", source: "ipvsadm(8), --u-threshold" },
  "server.min_connections": {
    value: "0",
    reason: "three quarters of max_connections",
    source: "ipvsadm(8), --l-threshold; ip_vs_unbind_dest",
  },
  "tunnel.type": { value: "ipip", reason: "what a plain tunnel is", source: "ipvsadm(8), --tun-type" },
  "tunnel.checksum": { value: "none", reason: "what the tool does unasked", source: "ipvsadm(8), --tun-nocsum" },
  "check.type": { value: "tcp", reason: "asks for nothing but a listener", source: "own choice" },
  "check.interval": { value: "2s", reason: "down is known after 6s at most", source: "as HAProxy, inter" },
  "check.timeout": {
    value: "2s",
    reason: "survives one lost SYN, which costs 1s",
    source: "RFC 6298, initial retransmission timeout",
  },
  "check.fall": { value: "3", reason: "one or two lost probes are no outage", source: "as HAProxy, fall" },
  "check.rise": { value: "2", reason: "one lucky probe is no recovery", source: "as HAProxy, rise" },
  "check.fast_interval": {
    value: "1s",
    reason: "from the first failure a verdict is wanted soon; never longer than interval",
    source: "after HAProxy, fastinter",
  },
  "check.down_interval": {
    value: "5s",
    reason: "a dead server is not in a hurry",
    source: "after HAProxy, downinter",
  },
} as const satisfies Readonly<Record<string, Default>>;

/** The text of a default, as the schema takes it. */
export function defaultText(key: keyof typeof DEFAULTS): string {
  return DEFAULTS[key].value;
}
