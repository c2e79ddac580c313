import assert from "node:assert/strict";
import { type Director, savedRules, setTable, startDirector, until } from "../inside.ts";

/** LAB_TABLE=hand replays the guide as it is written, with ipvsadm; otherwise director owns the table. */
export const byHand = process.env.LAB_TABLE === "hand";

let owner: Director | undefined;

/** @throws Error when none owns the table yet */
export function daemon(): Director {
  assert.ok(owner, "no director owns the table yet");
  return owner;
}

/** Puts a table in place and waits until the kernel has it. `config` is what director is given (at first by starting it, then by a reload), `rules` what
 *  `ipvsadm -Sn` has to say afterwards, and what is typed in by hand. */
export async function own(config: string, rules: string): Promise<void> {
  if (byHand) {
    await setTable(`-C\n${rules}`);
  } else if (owner === undefined) {
    owner = startDirector({ config });
    await owner.ready(60_000);
  } else {
    owner.configure(config);
    await director("reload");
  }
  await until(
    "the kernel has the table",
    async () => assert.deepEqual(lines(await savedRules()), lines(rules)) ?? true,
    { timeoutMs: 30_000 },
  );
}

/** Another command of the daemon that owns the table.
 *  @throws Error with what it said, unless it exits 0. */
export async function director(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon().cli(...args);
  assert.equal(code, 0, `director ${args.join(" ")}: exit ${code}\n${stderr}${stdout}`);
  return stdout;
}

function lines(rules: string): readonly string[] {
  return rules
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .sort();
}
