import type { Result } from "../../model/result.ts";
import type { Entries } from "../written.ts";
import type { Globals, Real, Virtual } from "./model.ts";

/** A real server as its check sees it. */
export interface Aim {
  readonly virtual: Virtual;
  readonly real: Real;
  readonly globals: Globals;
  readonly recommended: boolean;
}

/** What is asked, or why that cannot be. */
export type Asked = Result<Entries, string>;

/** Adds the port that is probed, where director does not take that one by itself. */
export type Where = (entries: Entries, port?: number) => Entries;
