import type { ProbeOutcome, Prober, ProbeTarget, ProbeType } from "../model/probe.ts";
import { random16 } from "../runtime/chance.ts";
import { type Connector, tcpConnector } from "./connector.ts";
import { queryMessage, readReply } from "./dns-message.ts";
import { type DnsOptions, dnsOptions } from "./dns-options.ts";
import { openDnsTcp } from "./dns-tcp.ts";
import { dnsVerdict } from "./dns-verdict.ts";
import { latencyObjections, withinLatency } from "./latency.ts";
import { type Done, fail } from "./outcome.ts";
import { openAsking, type Wrong } from "./udp-ask.ts";

/** One query, over UDP as the udp check asks: over a kept socket, again at 1/3 and 2/3 of the timeout. A reply that was truncated is asked for
 *  again over TCP, within the same timeout. */
export const dnsProbe: ProbeType<DnsOptions> = {
  name: "dns",
  options: dnsOptions,
  objections: latencyObjections,
  label: ({ name, record, transport }) => `dns ${record} ${name}${transport === "tcp" ? " over TCP" : ""}`,
  open(target, options) {
    return withinLatency(options.max_latency, tcpConnector(target), (connect) => {
      const overTcp = openOverTcp(target, connect, options);
      return options.transport === "tcp" ? overTcp : openOverUdp(target, options, overTcp);
    });
  },
};

/** Not an outcome anybody gets to see. */
const TRUNCATED = fail("the reply is truncated");

/** Judges replies to the query that was made last. */
function interrogator(options: DnsOptions) {
  let query: Buffer = Buffer.alloc(0);
  return {
    question(): Buffer {
      query = queryMessage(random16(), options);
      return query;
    },
    judge(reply: Buffer): ProbeOutcome | Wrong {
      const read = readReply(query, options.record, reply);
      if (!read.ok) return { kind: "wrong", reason: () => `unexpected reply: ${read.error}` };
      const wanted = options.expect.rcode.some((code) => code === read.value.rcode);
      return read.value.truncated && wanted ? TRUNCATED : dnsVerdict(read.value, options);
    },
  };
}

function openOverTcp(target: ProbeTarget, connect: Connector, options: DnsOptions): Prober {
  const { question, judge } = interrogator(options);
  return openDnsTcp(target, connect, question, (reply) => {
    const verdict = judge(reply);
    if (verdict === TRUNCATED) return fail("the reply is truncated over TCP, too");
    return verdict.kind === "wrong" ? fail(verdict.reason()) : verdict;
  });
}

function openOverUdp(target: ProbeTarget, options: DnsOptions, overTcp: Prober): Prober {
  const overUdp = openAsking(target, interrogator(options));
  let asking = overUdp;

  function askAgain(done: Done): void {
    asking = overTcp;
    overTcp.start((outcome) => done(afterTruncation(outcome)));
  }

  return {
    start(done) {
      asking = overUdp;
      overUdp.start((outcome) => (outcome === TRUNCATED ? askAgain(done) : done(outcome)));
    },
    cancel: () => asking.cancel(),
    close() {
      overUdp.close();
      overTcp.close();
    },
  };
}

/** Whoever reads the reason has to know why TCP was used at all. */
function afterTruncation(outcome: ProbeOutcome): ProbeOutcome {
  switch (outcome.kind) {
    case "pass":
      return { ...outcome, detail: `${outcome.detail}, over TCP` };
    default:
      return { ...outcome, reason: `${outcome.reason}, over TCP after a truncated reply` };
  }
}
