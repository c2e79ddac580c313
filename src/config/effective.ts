import { Document, isScalar, isSeq, visit } from "yaml";
import { z } from "zod";
import { formatEndpoint } from "../model/address.ts";
import type { Config, Timeouts } from "../model/config.ts";
import type { Hook, HookAction } from "../model/hook.ts";
import { portRuns } from "../model/port-runs.ts";
import type { CheckSpec } from "../model/probe.ts";
import type { FlapDamping, Forwarding, Frontend, Persistence, RealServer, Service } from "../model/service.ts";
import { formatDuration } from "../model/time.ts";
import { writtenRange } from "./addresses.ts";
import type { ProbeTypes } from "./checks.ts";
import { quorumMark } from "./field-scalars.ts";
import { octalMode, share } from "./scalars.ts";

type Tree = string | readonly Tree[] | { readonly [key: string]: Tree | undefined };

/** The configuration as YAML with every default filled in and nothing inherited. Parsing it gives an equal configuration. */
export function effective(config: Config, probeTypes: ProbeTypes): string {
  const document = new Document(globals(config, probeTypes), { schema: "failsafe", keepUndefined: false });
  visit(document, {
    Scalar(_, node) {
      // Plain, these would read as nothing at all.
      if (typeof node.value === "string" && /^(~|null|Null|NULL)?$/.test(node.value)) node.type = "QUOTE_DOUBLE";
    },
    Seq(_, node) {
      node.flow = isSeq(node) && node.items.every((item) => isScalar(item));
    },
  });
  return document.toString({ lineWidth: 0 });
}

function globals(config: Config, probeTypes: ProbeTypes): Tree {
  const { ipvs, vips, state, control, http, log, reload, hooks, services } = config;
  return {
    ipvs: {
      mode: ipvs.mode,
      backend: ipvs.backend,
      command: ipvs.command,
      timeout: formatDuration(ipvs.timeout),
      resync: formatDuration(ipvs.resync),
      drift: ipvs.drift,
      sync: ipvs.sync && { role: ipvs.sync.role, interface: ipvs.sync.interface, id: String(ipvs.sync.id) },
      timeouts: ipvs.timeouts && timeoutsTree(ipvs.timeouts),
    },
    vips: vips && { device: vips.device, withdraw: String(vips.withdraw) },
    state: { directory: state.directory },
    control: {
      socket: control.socket,
      mode: z.encode(octalMode, control.mode),
      group: control.group,
      read_only: control.readOnly && {
        socket: control.readOnly.socket,
        mode: z.encode(octalMode, control.readOnly.mode),
      },
    },
    http: http && { listen: http.listen.map((e) => formatEndpoint(e.address, e.port)), hosts: http.hosts },
    log: { level: log.level, format: log.format },
    reload: { max_removed: z.encode(share, reload.maxRemoved) },
    hooks: hooks.length === 0 ? undefined : hooks.map(hookTree),
    allow_empty: services.length === 0 ? "true" : undefined,
    services: services.map((service) => serviceTree(service, probeTypes)),
  };
}

function hookTree({ name, on, services, action, timeout, queue }: Hook): Tree {
  return {
    name,
    on,
    services,
    ...actionTree(action),
    timeout: formatDuration(timeout),
    queue: String(queue),
  };
}

function actionTree(action: HookAction): { readonly [key: string]: Tree | undefined } {
  if (action.kind === "command") return { command: action.argv };
  const { url, headers, verify, ca, body } = action;
  const https = url.startsWith("https:");
  return {
    url,
    headers: Object.keys(headers).length === 0 ? undefined : headers,
    verify: https ? String(verify) : undefined,
    ca,
    body,
  };
}

function timeoutsTree({ tcp, tcpFin, udp }: Timeouts): Tree {
  const written = (seconds: number | undefined) => (seconds === undefined ? undefined : formatDuration(seconds * 1000));
  return { tcp: written(tcp), tcp_fin: written(tcpFin), udp: written(udp) };
}

function serviceTree(service: Service, probeTypes: ProbeTypes): Tree {
  const { sorryServer, quorum } = service;
  return {
    name: service.name,
    ...frontendsTree(service.frontends),
    scheduler: service.scheduler,
    scheduler_flags: service.schedulerFlags,
    one_packet: String(service.onePacket),
    persistence: service.persistence && persistenceTree(service.persistence),
    on_failure: service.onFailure,
    initial: service.initial,
    quorum: { up: z.encode(quorumMark, quorum.up), down: z.encode(quorumMark, quorum.down) },
    sorry_server: sorryServer && {
      address: formatEndpoint(sorryServer.address, sorryServer.port),
      ...forwardingTree(sorryServer.forwarding),
      check: sorryServer.checks[0] && checkTree(sorryServer.checks[0], sorryServer, probeTypes),
    },
    fail_open: service.failOpen,
    slow_start: service.slowStart === undefined ? undefined : formatDuration(service.slowStart),
    flap: service.flap && flapTree(service.flap),
    removal_grace: formatDuration(service.removalGrace),
    allow_empty: service.servers.length === 0 ? "true" : undefined,
    servers: service.servers.map((server) => serverTree(server, probeTypes)),
  };
}

/** A service either has addresses of one protocol or one firewall mark; of both families it says none. */
function frontendsTree(frontends: readonly Frontend[]): { readonly [key: string]: Tree | undefined } {
  const vips: string[] = [];
  let protocol: string | undefined;
  let mark: Extract<Frontend, { kind: "fwmark" }> | undefined;
  for (const { first, lastPort } of portRuns(frontends)) {
    if (first.kind === "fwmark") mark = first;
    else {
      vips.push(writtenRange({ address: first.address, first: first.port, last: lastPort ?? first.port }));
      protocol = first.protocol;
    }
  }
  if (mark === undefined) return { vips, protocol };
  return { fwmark: String(mark.mark), family: frontends.length > 1 ? undefined : `ipv${mark.family}` };
}

function flapTree({ count, within, hold, max }: FlapDamping): Tree {
  return {
    count: String(count),
    within: formatDuration(within),
    hold: formatDuration(hold),
    max: formatDuration(max),
  };
}

function persistenceTree({ timeoutSec, prefix, engine }: Persistence): Tree {
  return {
    timeout: formatDuration(timeoutSec * 1000),
    netmask: { ipv4: String(prefix.v4), ipv6: String(prefix.v6) },
    engine,
  };
}

function forwardingTree(forwarding: Forwarding): { readonly [key: string]: Tree | undefined } {
  if (forwarding.kind !== "tunnel") return { forward: forwarding.kind };
  return {
    forward: "tunnel",
    tunnel: {
      type: forwarding.encapsulation,
      port: forwarding.encapsulation === "gue" ? String(forwarding.port) : undefined,
      checksum: forwarding.encapsulation === "ipip" ? undefined : forwarding.checksum,
    },
  };
}

function serverTree(server: RealServer, probeTypes: ProbeTypes): Tree {
  const checks = server.checks.map((check) => checkTree(check, server, probeTypes));
  return {
    name: server.name,
    address: formatEndpoint(server.address, server.port),
    weight: String(server.weight),
    ...forwardingTree(server.forwarding),
    max_connections: server.limits && String(server.limits.upper),
    min_connections: server.limits && String(server.limits.lower),
    labels: Object.keys(server.labels).length === 0 ? undefined : server.labels,
    ...(checks.length === 0 ? { check: "none" } : checks.length === 1 ? { check: checks[0] } : { checks }),
  };
}

function checkTree(check: CheckSpec, server: RealServer, probeTypes: ProbeTypes): Tree {
  const type = probeTypes.get(check.type);
  if (type === undefined) throw new Error(`no check type ${check.type}`);
  return {
    type: check.type,
    address: check.target.address.text === server.address.text ? undefined : check.target.address.text,
    port: String(check.target.port),
    source: check.source?.text,
    interval: formatDuration(check.interval),
    fast_interval: formatDuration(check.fastInterval),
    down_interval: formatDuration(check.downInterval),
    timeout: formatDuration(check.timeout),
    fall: String(check.fall),
    rise: String(check.rise),
    ...(z.encode(type.options, check.options) as { readonly [key: string]: Tree }),
  };
}
