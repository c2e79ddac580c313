import { parseAddress } from "../model/address.ts";
import type { ProbeOutcome } from "../model/probe.ts";
import type { DnsReply } from "./dns-message.ts";
import type { DnsOptions } from "./dns-options.ts";
import { fail } from "./outcome.ts";

/** What a reply that is whole says about the server. */
export function dnsVerdict(
  { rcode, data }: DnsReply,
  { record, expect }: Pick<DnsOptions, "record" | "expect">,
): ProbeOutcome {
  if (!expect.rcode.some((code) => code === rcode)) return fail(`${rcode}, expected ${expect.rcode.join(", ")}`);
  const { answer } = expect;
  if (answer === undefined) return { kind: "pass", detail: rcode };
  const [first] = data;
  if (first === undefined) return fail(`${rcode}, but no ${record} record in the answer`);
  if (answer === "any" || data.some(fits(answer)))
    return { kind: "pass", detail: `${rcode}, ${data.length} ${record} record${data.length === 1 ? "" : "s"}` };
  const wanted = answer.address?.text ?? JSON.stringify(answer.contains);
  const others = data.length === 1 ? "" : ` and ${data.length - 1} more`;
  return fail(`no ${record} record with ${wanted} in the answer, but ${shortened(first)}${others}`);
}

function fits({ contains, address }: Exclude<NonNullable<DnsOptions["expect"]["answer"]>, "any">) {
  const text = contains?.toLowerCase() ?? "";
  return (data: string): boolean =>
    address === undefined ? data.toLowerCase().includes(text) : parseAddress(data)?.text === address.text;
}

/** Quoted: it is the server's text. */
function shortened(data: string): string {
  return JSON.stringify(data.length > 60 ? `${data.slice(0, 60)}…` : data);
}
