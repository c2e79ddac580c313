import { fstatSync } from "node:fs";

/** Whether what is written to this descriptor goes to the journal by itself. systemd names the device and inode of what it connected in
 *  JOURNAL_STREAM (systemd.exec(5)); its presence alone says nothing: shells of a desktop session inherit it. */
export function isJournal(descriptor: number, environment: NodeJS.ProcessEnv): boolean {
  if (environment.JOURNAL_STREAM === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return environment.JOURNAL_STREAM === `${dev}:${ino}`;
  } catch {
    return false; // closed
  }
}
