import type { FileKeys } from "./schema.ts";
import type { ServiceKeys } from "./service-keys.ts";

/** What is read and checked but not acted upon by this version. Whoever builds it deletes its line. */
export const NOT_YET: {
  readonly service: Readonly<Record<string, (keys: ServiceKeys) => boolean>>;
  readonly ipvs: Readonly<Record<string, (keys: FileKeys["ipvs"]) => boolean>>;
} = {
  service: {
    quorum: ({ quorum: { up, down } }) => [up, down].some((mark) => mark.kind === "weight" || mark.count !== 1),
    sorry_server: (keys) => typeof keys.sorry_server === "object",
    fail_open: (keys) => keys.fail_open !== "never",
    slow_start: (keys) => typeof keys.slow_start === "number",
  },
  ipvs: {
    sync: (keys) => keys.sync !== undefined,
  },
};

export const NOT_YET_WORDS = "accepted, not acted upon by this version";
