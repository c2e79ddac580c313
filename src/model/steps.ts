/** Work that can be interrupted: what is long at ten thousand servers is done in steps, between which probes have their turn. */
export type Steps<T> = Generator<undefined, T>;

/** All steps, one after the other. */
export function atOnce<T>(work: Steps<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}
