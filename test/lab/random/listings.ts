import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { after } from "node:test";
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
  const [saved = "", thresholds = ""] = await listed("-Sn", "-Ln --thresholds");
  return { saved: saved.split("\n").filter(Boolean), thresholds: thresholdLines(thresholds), proc };
}

/** What ipvsadm prints with each of these arguments. A shell that lives on starts it three times quicker than Node does. */
async function listed(...args: readonly string[]): Promise<readonly string[]> {
  shell.stdin.write(args.map((words) => `${IPVSADM} ${words}; echo "exit $?"\n`).join(""));
  const texts: string[] = [];
  for (const words of args) {
    const lines: string[] = [];
    for (let line = await nextLine(); line !== "exit 0"; line = await nextLine()) {
      if (line.startsWith("exit ")) throw new Error(`ipvsadm ${words}: ${line}`);
      lines.push(line);
    }
    texts.push(lines.join("\n"));
  }
  return texts;
}

const shell = spawn("/bin/sh", [], { stdio: ["pipe", "pipe", "inherit"] });
after(() => shell.stdin.end());
const output = createInterface(shell.stdout)[Symbol.asyncIterator]();

async function nextLine(): Promise<string> {
  const { value, done } = await output.next();
  if (done) throw new Error("the shell that runs ipvsadm has ended");
  return value;
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
