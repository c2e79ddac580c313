import type { ProbeType } from "../model/probe.ts";
import { agentProbe } from "./agent.ts";
import { dnsProbe } from "./dns.ts";
import { execProbe } from "./exec.ts";
import { grpcProbe } from "./grpc.ts";
import { httpProbe, httpsProbe } from "./http.ts";
import { smtpProbe } from "./smtp.ts";
import { tcpProbe } from "./tcp.ts";
import { udpProbe } from "./udp.ts";

/** Every kind of check there is, by the word that stands for it in `check: { type: … }`. A new one is a file and a line here. */
export const probeTypes: ReadonlyMap<string, ProbeType> = new Map(
  [tcpProbe, httpProbe, httpsProbe, udpProbe, dnsProbe, smtpProbe, grpcProbe, execProbe, agentProbe].map(
    (type) => [type.name, type as ProbeType] as const,
  ),
);
