import { SCHEDULERS } from "../../config/service-keys.ts";
import type { Notes } from "../notes.ts";
import { type Keywords, opens, readBlock, type ValueReader, valueReader, words } from "./block.ts";
import type { RealServer, VirtualServer } from "./model.ts";
import {
  type Draft,
  noTimings,
  readEndpoint,
  readForwarding,
  readHook,
  readWeight,
  timingKeywords,
} from "./read-common.ts";
import { MAIL, realServerKeyword } from "./read-real-server.ts";
import type { Statement } from "./tree.ts";
import { whole } from "./words.ts";

type Reading = Draft<Omit<VirtualServer, "persistence">> & {
  persistence: { seconds: number; granularity: string | undefined; engine: string | undefined };
};

/** `virtual_server IP [PORT]`, `virtual_server fwmark N`, `virtual_server group NAME`; undefined if it has no place in the table. */
export function readVirtualServer(statement: Statement, parent: Notes): VirtualServer | undefined {
  const at = readTarget(statement, valueReader(parent));
  if (at === undefined) return undefined;
  const notes = parent.child();
  const read = valueReader(notes);
  const servers: RealServer[] = [];
  const hooks = { quorumUp: undefined, quorumDown: undefined };
  const draft: Reading = {
    place: statement.place,
    title: statement.args.join(" "),
    notes,
    at,
    family: undefined,
    protocol: undefined,
    scheduler: undefined,
    flags: [],
    onePacket: false,
    forwarding: undefined,
    persistence: { seconds: 0, granularity: undefined, engine: undefined },
    quorum: undefined,
    hysteresis: undefined,
    alpha: false,
    inhibit: false,
    weight: undefined,
    sorry: undefined,
    hooks,
    host: undefined,
    name: undefined,
    timings: noTimings(),
    servers,
  };
  readBlock(
    statement,
    {
      ...schedulingKeywords(draft, read, notes),
      ...persistenceKeywords(draft, read),
      ...quorumKeywords(draft, hooks, read, notes),
      ...otherKeywords(draft, read, notes),
      ...timingKeywords(draft.timings as Draft<VirtualServer["timings"]>, read, 1, notes),
      real_server: realServerKeyword((server) => servers.push(server), notes),
    },
    notes,
  );
  const { persistence } = draft;
  return { ...draft, persistence: persistence.seconds > 0 ? persistence : undefined };
}

function readTarget(statement: Statement, read: ValueReader): VirtualServer["at"] | undefined {
  const [first, second] = statement.args;
  if (first === "group") {
    if (second !== undefined) return { kind: "group", name: second };
    return read.refuse(statement, "the name of the group is missing");
  }
  if (first === "fwmark") {
    const mark = whole(second, 1, 4_294_967_295);
    return mark === undefined
      ? read.refuse(statement, "expected a firewall mark from 1 to 4294967295")
      : { kind: "fwmark", mark };
  }
  const endpoint = readEndpoint(statement, statement.args, read);
  return endpoint && { kind: "address", ...endpoint };
}

function schedulingKeywords(draft: Reading, read: ValueReader, notes: Notes): Keywords {
  const scheduler = words(1, 1, (s) => {
    const [name = ""] = s.args;
    if ((SCHEDULERS as readonly string[]).includes(name)) draft.scheduler = name;
    else read.refuse(s, `the kernel has no scheduler ${name}: keepalived complains and takes wlc; so does this import`);
  });
  const flag = words(0, 0, (s) => {
    const owner = /^(sh|mh)-/.exec(s.keyword)?.[1];
    if (owner === undefined || draft.scheduler === owner) draft.flags = [...new Set([...draft.flags, s.keyword])];
    else if (draft.scheduler === undefined)
      read.refuse(
        s,
        `keepalived ignores it, since it stands above lvs_sched; to count it has to stand below lvs_sched ${owner}`,
      );
    else read.refuse(s, `belongs to scheduler ${owner}, keepalived ignores it for ${draft.scheduler}`);
  });
  const method = words(1, 7, (s) => {
    draft.forwarding = readForwarding(s, read) ?? draft.forwarding;
  });
  return {
    lvs_sched: scheduler,
    lb_algo: scheduler,
    lvs_method: method,
    lb_kind: method,
    "flag-1": flag,
    "flag-2": flag,
    "flag-3": flag,
    "sh-port": flag,
    "sh-fallback": flag,
    "mh-port": flag,
    "mh-fallback": flag,
    ops: words(0, 0, () => {
      draft.onePacket = true;
    }),
    hashed: words(0, 0, (s) => notes.add("hint", s.place, s.keyword, "the kernel sets it by itself")),
  };
}

/** A bare persistence_timeout is 360 seconds, and a granularity switches persistence on as well (check_parser.c). */
const PERSISTENCE_SECONDS = 360;

function persistenceKeywords(draft: Reading, read: ValueReader): Keywords {
  const { persistence } = draft;
  return {
    persistence_timeout: words(0, 1, (s) => {
      if (s.args.length === 0) persistence.seconds = PERSISTENCE_SECONDS;
      else persistence.seconds = read.count(s, 1, 2_678_400) ?? persistence.seconds;
    }),
    persistence_granularity: words(1, 1, (s) => {
      persistence.granularity = s.args[0];
      persistence.seconds ||= PERSISTENCE_SECONDS;
    }),
    persistence_engine: words(1, 1, (s) => {
      if (s.args[0] === "sip") persistence.engine = "sip";
      else read.refuse(s, "the kernel has no engine but sip");
    }),
  };
}

function quorumKeywords(
  draft: Reading,
  hooks: Draft<VirtualServer["hooks"]>,
  read: ValueReader,
  notes: Notes,
): Keywords {
  const most = Number.POSITIVE_INFINITY;
  const weight = (s: Statement) => {
    const value = read.count(s, 0, 2_147_483_647);
    return value === undefined ? undefined : { weight: value, place: s.place };
  };
  return {
    quorum: words(1, 1, (s) => {
      draft.quorum = weight(s) ?? draft.quorum;
      if (draft.quorum?.weight === 0) read.refuse(s, "keepalived takes 1 for it; so does this import");
    }),
    hysteresis: words(1, 1, (s) => {
      draft.hysteresis = weight(s) ?? draft.hysteresis;
    }),
    quorum_up: words(1, most, (s) => {
      if (hooks.quorumUp !== undefined) read.refuse(s, "the second one: keepalived keeps the first");
      hooks.quorumUp ??= readHook(s, read, notes);
    }),
    quorum_down: words(1, most, (s) => {
      if (hooks.quorumDown !== undefined) read.refuse(s, "the second one: keepalived keeps the first");
      hooks.quorumDown ??= readHook(s, read, notes);
    }),
    sorry_server: words(1, 2, (s) => {
      const endpoint = readEndpoint(s, s.args, read);
      if (endpoint !== undefined) draft.sorry = { ...endpoint, forwarding: undefined, place: s.place };
    }),
    sorry_server_inhibit: words(0, 0, (s) => {
      if (draft.sorry === undefined) read.refuse(s, "keepalived ignores it, since it stands above sorry_server");
      else
        notes.add(
          "changed",
          s.place,
          s.keyword,
          "the sorry server stands at weight 0 until its last connection has ended, and is taken out then",
        );
    }),
    sorry_server_lvs_method: words(1, 7, (s) => {
      if (draft.sorry === undefined) read.refuse(s, "keepalived ignores it, since it stands above sorry_server");
      else draft.sorry = { ...draft.sorry, forwarding: readForwarding(s, read) };
    }),
  };
}

const PROTOCOLS = { TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const;

function otherKeywords(draft: Reading, read: ValueReader, notes: Notes): Keywords {
  const pool = (s: Statement) =>
    notes.add(
      "dropped",
      s.place,
      [s.keyword, ...s.args].join(" "),
      "there is no second pool: a sorry_server is one server; servers with weight 0 are standbys, to which `director drain` moves clients",
    );
  return {
    backup_real_server: opens(1, 2, pool),
    failover_threshold: words(1, 1, pool),
    failover_up: words(1, Number.POSITIVE_INFINITY, pool),
    failover_down: words(1, Number.POSITIVE_INFINITY, pool),
    ip_family: words(1, 1, (s) => {
      if (s.args[0] === "inet" || s.args[0] === "inet6") draft.family = s.args[0] === "inet" ? 4 : 6;
      else read.refuse(s, "expected inet or inet6; left out");
    }),
    protocol: words(1, 1, (s) => {
      const name = s.args[0]!.toUpperCase();
      if (name === "TCP" || name === "UDP" || name === "SCTP") draft.protocol = PROTOCOLS[name];
      else read.refuse(s, "expected TCP, UDP or SCTP; keepalived takes UDP for it, and so does this import");
    }),
    alpha: words(0, 0, () => {
      draft.alpha = true;
    }),
    omega: words(0, 0, (s) =>
      notes.add(
        "dropped",
        s.place,
        s.keyword,
        "a stop of director takes nothing down, so it runs no notify_down and no quorum_down then",
      ),
    ),
    inhibit_on_failure: words(0, 0, () => {
      draft.inhibit = true;
    }),
    weight: words(1, 1, (s) => {
      draft.weight = readWeight(s, 1, read, notes) ?? draft.weight;
    }),
    smtp_alert: words(0, 1, (s) => {
      if (read.flag(s) === true) notes.add("dropped", s.place, s.keyword, MAIL);
    }),
    ha_suspend: words(0, 1, (s) =>
      notes.add(
        "dropped",
        s.place,
        s.keyword,
        "director probes whether or not the address is on this machine; start and stop it by the VRRP notify script if probes from the standby are unwelcome",
      ),
    ),
    lvs_flush: words(0, 1, (s) =>
      notes.add("hint", s.place, s.keyword, "not needed: the table is adopted as it is found"),
    ),
    lvs_flush_on_stop: words(0, 1, (s) =>
      notes.add("hint", s.place, s.keyword, "the table is kept on stop; `director flush` empties it"),
    ),
    virtualhost: words(1, 1, (s) => {
      draft.host = s.args[0];
    }),
    snmp_name: words(1, 1, (s) => {
      draft.name = s.args[0];
    }),
  };
}
