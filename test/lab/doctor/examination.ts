import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cli, type Ran } from "../../cli/support.ts";
import { must, until } from "../inside.ts";

/** One finding as `director doctor --json` prints it. */
export interface Found {
  readonly id: string;
  readonly severity: "error" | "warning" | "hint";
  readonly services: readonly string[];
  readonly seen: string;
  readonly fix: {
    readonly where: "here" | "servers";
    readonly commands: readonly (readonly string[])[];
    readonly text?: string;
  };
}

interface Examined {
  readonly code: number | null;
  readonly ok: boolean;
  readonly findings: readonly Found[];
  readonly unseen: readonly unknown[];
  readonly applied?: readonly { readonly command: readonly string[]; readonly failed?: string }[];
}

const file = join(mkdtempSync("/run/lab/doctor-"), "director.conf");

/** `director doctor` on this configuration, in this process: starting one takes longer than all that it looks at. */
export function doctor(config: string, ...args: readonly string[]): Promise<Ran> {
  writeFileSync(file, config);
  return cli(["doctor", "-c", file, ...args]);
}

export async function examined(config: string, ...args: readonly string[]): Promise<Examined> {
  const { code, stdout, stderr } = await doctor(config, "--json", ...args);
  assert.ok(code === 0 || code === 1, `director doctor: exit ${code}\n${stderr}`);
  return { code, ...(JSON.parse(stdout) as Omit<Examined, "code">) };
}

/** A system that is as it must be: nothing is found, everything was seen, and the hints are these. */
export async function healthy(config: string, hints: readonly string[]): Promise<readonly Found[]> {
  const { code, ok, findings, unseen } = await examined(config);
  assert.deepEqual([namesOf(findings), unseen, ok, code], [hints, [], true, 0], JSON.stringify(findings, null, 1));
  return findings;
}

/** One thing is missing: exactly that one is found (beside the hints). */
export async function missing(config: string, id: string, hints: readonly string[]): Promise<Found> {
  const { code, findings, unseen } = await examined(config);
  assert.deepEqual([namesOf(findings), unseen, code], [[id, ...hints], [], 1], JSON.stringify(findings, null, 1));
  return findings[0]!;
}

/** What the finding says is to be done on this machine, as a shell would do it. */
export async function mend({ id, fix }: Found): Promise<void> {
  assert.equal(fix.where, "here");
  assert.ok(fix.commands.length > 0, `${id} comes without a command`);
  for (const command of fix.commands) await must(command);
}

/** What it says is to be done on a server, there. */
export async function mendServer({ fix }: Found, namespace: string): Promise<void> {
  assert.equal(fix.where, "servers");
  for (const command of fix.commands) await must(["nsenter", `--net=/run/netns/${namespace}`, "--", ...command]);
}

/** Traffic may take a moment after a setting: half-made entries of connection tracking are in the way of a client's next try. */
export function flows(what: string, ask: () => Promise<boolean>): Promise<true> {
  return until(what, ask, { timeoutMs: 20_000, everyMs: 500 }) as Promise<true>;
}

function namesOf(findings: readonly Found[]): readonly string[] {
  return findings.map(({ id }) => id);
}
