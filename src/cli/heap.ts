import type { Config } from "../model/config.ts";
import { heapGrowsBy } from "../runtime/heap.ts";

/** Checks whose every connection leaves 3 kB that outlive V8's nursery (a stream of Node's does, whoever makes it). */
const LAVISH = new Set(["http", "https", "grpc"]);
/** bin/director begins with this one. */
const SPARING_PERCENT = 20;
/** 1,000 servers over HTTP, each second: at 20 % a full collection every two seconds, an eighth of all CPU time. */
const ROOMY_PERCENT = 60;

/** Memory is for the packets of the machine; where collecting would cost more than it is worth the heap gets room. */
export function adjustHeap({ services }: Config): void {
  const lavish = services.some(({ servers }) =>
    servers.some(({ checks }) => checks.some(({ type }) => LAVISH.has(type))),
  );
  heapGrowsBy(lavish ? ROOMY_PERCENT : SPARING_PERCENT);
}
