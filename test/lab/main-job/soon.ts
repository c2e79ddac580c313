import { must } from "../inside.ts";

/** How long a weight may take from its verdict to the kernel: a second; on a host that is busy what eight runs of ipvsadm take just now, since
 *  a pass is two of them and what stands around it. In milliseconds. */
export async function soonMs(): Promise<number> {
  let longest = 0;
  for (let run = 0; run < 3; run++) {
    const began = performance.now();
    await must(["/usr/sbin/ipvsadm", "-Ln"]);
    longest = Math.max(longest, performance.now() - began);
  }
  return Math.max(1_000, Math.round(longest * 8));
}
