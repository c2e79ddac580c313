import type { ServiceKeys } from "./service-keys.ts";

/** What is read and checked but not acted upon by this version. Whoever builds it deletes its line. */
export const NOT_YET: {
  readonly service: Readonly<Record<string, (keys: ServiceKeys) => boolean>>;
} = {
  service: {},
};

export const NOT_YET_WORDS = "accepted, not acted upon by this version";
