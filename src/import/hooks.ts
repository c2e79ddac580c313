import { createNames } from "./names.ts";
import { list, map, type WrittenMap } from "./written.ts";

/** A command that the original ran for one service. */
export interface Hook {
  /** What it is for, as a part of its name: `quorum-up`. */
  readonly word: string;
  /** director's event: `service.quorum-regained`. */
  readonly event: string;
  readonly service: string;
  /** The first is an absolute path. */
  readonly argv: readonly string[];
}

/** As they stand in the file: services that run the same command for the same event have one hook together. */
export function writtenHooks(hooks: readonly Hook[]): readonly WrittenMap[] {
  const together = Map.groupBy(hooks, ({ event, argv }) => JSON.stringify([event, argv]));
  const names = createNames();
  return [...together.values()].map((same) => {
    const { word, event, service, argv } = same[0]!;
    return map({
      name: names(same.length === 1 ? `${word}-${service}` : word),
      on: list([event]),
      services: list(same.map((each) => each.service)),
      command: list(argv),
    });
  });
}
