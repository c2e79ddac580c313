// Everything a scenario program (*.lab.ts) needs; README.md in this folder shows how they fit together.
export * from "./inside/actor.ts";
export * from "./inside/director.ts";
export * from "./inside/ipvs.ts";
export * from "./inside/keepalived.ts";
export type * from "./inside/protocol.ts";
export * from "./inside/run.ts";
export * from "./inside/step.ts";
