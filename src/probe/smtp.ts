import { parseAddress } from "../model/address.ts";
import type { ProbeOutcome, ProbeTarget, ProbeType } from "../model/probe.ts";
import { tcpConnector } from "./connector.ts";
import { type Call, openConversation, type Talker } from "./conversation.ts";
import { latencyObjections, withinLatency } from "./latency.ts";
import { fail } from "./outcome.ts";
import { type SmtpOptions, smtpOptions } from "./smtp-options.ts";
import { quoted, type SmtpReply, smtpReader } from "./smtp-reply.ts";
import { type TlsOptions, tlsConnector } from "./tls.ts";
import { askedTls } from "./tls-asked.ts";

/** Greeting, EHLO (HELO where that is unknown), QUIT; on request over TLS, from the beginning or after STARTTLS. No mail is sent. */
export const smtpProbe: ProbeType<SmtpOptions> = {
  name: "smtp",
  options: smtpOptions,
  objections: latencyObjections,
  label: ({ tls, starttls }) => `smtp${tls ? " with TLS" : ""}${starttls ? " with STARTTLS" : ""}`,
  open(target, options) {
    const asked = askedTls(target, options);
    const connector = options.tls ? tlsConnector(target, asked, undefined) : tcpConnector(target);
    return withinLatency(options.max_latency, connector, (connect) =>
      openConversation(target, connect, (call) => talk(call, target, options, asked)),
    );
  },
};

/** What is done with the reply that is being waited for. */
type Next = (reply: SmtpReply) => void;

/** Where a command is not known at all, RFC 5321 4.1.1.1 and 4.2.4. */
const UNKNOWN_COMMAND = [500, 502];

function talk(call: Call, target: ProbeTarget, { helo, starttls }: SmtpOptions, asked: TlsOptions): Talker {
  const reader = smtpReader();
  const name = helo ?? literal(call.from);
  let secured = false;
  let waitingFor = "greeting";
  let next: Next = greeted;
  /** What it comes to, once only the farewell is left. */
  let accepted: ProbeOutcome | undefined;

  function command(verb: string, argument: string, then: Next): void {
    waitingFor = `reply to ${verb}`;
    next = then;
    call.phase(`waiting for the reply to ${verb}`);
    call.say(`${verb}${argument}\r\n`);
  }

  /** Whether that is the code; ends the matter if not. */
  function expected(code: number, reply: SmtpReply): boolean {
    if (reply.code === code) return true;
    call.finish(fail(`the ${waitingFor} is ${quoted(reply.lines.at(-1)!)}, expected ${code}`));
    return false;
  }

  function greeted(reply: SmtpReply): void {
    if (expected(220, reply)) hello();
  }

  function hello(): void {
    command("EHLO", ` ${name}`, (reply) => {
      if (!starttls && UNKNOWN_COMMAND.includes(reply.code)) command("HELO", ` ${name}`, welcomed);
      else welcomed(reply);
    });
  }

  function welcomed(reply: SmtpReply): void {
    if (!expected(250, reply)) return;
    if (!starttls || secured) quit();
    else if (reply.lines.slice(1).some((line) => /^250[ -]STARTTLS\s*$/i.test(line))) secure();
    else call.finish(fail("the server does not offer STARTTLS"));
  }

  function secure(): void {
    command("STARTTLS", "", (reply) => {
      if (!expected(220, reply)) return;
      secured = true;
      call.change((socket) => tlsConnector(target, asked, undefined, socket), hello);
    });
  }

  function quit(): void {
    accepted = { kind: "pass", detail: `250 to ${waitingFor.split(" ").at(-1)}${secured ? " over TLS" : ""}` };
    command("QUIT", "", (reply) => {
      if (expected(221, reply)) call.finish(accepted!);
    });
  }

  function ended(): ProbeOutcome {
    // Some take QUIT for the end and say no more.
    if (accepted !== undefined) return accepted;
    return fail(`connection closed ${reader.begun ? "within the" : "without a"} ${waitingFor}`);
  }

  call.phase("waiting for the greeting");
  return {
    heard(chunk) {
      const found = reader.read(chunk);
      if (found === "more") return;
      if (found.kind === "reply") next(found);
      else call.finish(fail(`the ${waitingFor} ${found.reason}`));
    },
    ended: () => call.finish(ended()),
  };
}

/** RFC 5321 4.1.3. */
function literal(address: string): string {
  return parseAddress(address)?.family === 6 ? `[IPv6:${address}]` : `[${address}]`;
}
