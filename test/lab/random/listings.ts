import { readFileSync } from "node:fs";
import { must, run } from "../inside.ts";

const IPVSADM = "/usr/sbin/ipvsadm";

/** What the kernel has, as three listings tell it, each in the form of expected.ts. */
export interface Listings {
  readonly saved: readonly string[];
  readonly thresholds: readonly string[];
  readonly proc: readonly string[];
}

export async function listings(): Promise<Listings> {
  const proc = procLines(readFileSync("/proc/net/ip_vs", "utf8"));
  const [saved, thresholds] = await Promise.all([must([IPVSADM, "-Sn"]), must([IPVSADM, "-Ln", "--thresholds"])]);
  return { saved: saved.split("\n").filter(Boolean), thresholds: thresholdLines(thresholds), proc };
}

function thresholdLines(text: string): readonly string[] {
  const lines: string[] = [];
  let title = "";
  // Three lines of heading.
  for (const line of text.split("\n").slice(3)) {
    const [first = "", second = "", third = "", ...rest] = line.trim().split(/\s+/);
    if (first === "->") lines.push(`${title} -> ${[second, third, ...rest].join(" ")}`);
    else if (first !== "") {
      title = `${first} ${second}${third === "IPv6" ? " IPv6" : ""}`;
      lines.push(title);
    }
  }
  return lines;
}

function procLines(text: string): readonly string[] {
  const lines: string[] = [];
  let at = "";
  for (const line of text.split("\n").slice(3)) {
    const [first = "", ...rest] = line.trim().split(/\s+/);
    if (first === "->") lines.push(`${at} -> ${rest.join(" ")}`);
    else if (first !== "") {
      at = `${first} ${rest[0]}`;
      lines.push(`${at} ${rest[1]}`);
    }
  }
  return lines;
}

/** Of these, what the kernel has. */
export async function schedulersHere(names: readonly string[]): Promise<readonly string[]> {
  const rules = names.map((name, i) => `-A -f ${i + 1} -s ${name}\n`).join("");
  await run([IPVSADM, "-R"], { stdin: rules });
  const here = (await must([IPVSADM, "-Sn"])).matchAll(/ -s (\S+)/g);
  await must([IPVSADM, "-C"]);
  return [...here].map(([, name]) => name!);
}
