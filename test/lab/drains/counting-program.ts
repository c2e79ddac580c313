// The program behind counting.ts: servers that say their name and close, or clients that count who answers. As few system calls a connection as
// Node can do with, since hundreds a second are wanted of one slow processor.
import { connect, createServer } from "node:net";
import type { Counted, Question, Role } from "./counting.ts";

/** A connection that takes longer is an error. */
const TIMEOUT_MS = 5_000;

function serve(listen: Extract<Role, { role: "servers" }>["listen"]): Promise<unknown> {
  return Promise.all(
    listen.map(({ port, name }) => {
      const server = createServer({ allowHalfOpen: false }, (socket) => {
        socket.on("error", () => {});
        socket.resume();
        socket.end(name);
      });
      return new Promise<void>((resolve, reject) => {
        server.once("error", reject).listen({ port, host: "0.0.0.0", backlog: 4096 }, resolve);
      });
    }),
  );
}

function clients(targets: Extract<Role, { role: "clients" }>["targets"]): (question: Question) => Promise<Counted> {
  const target: number[] = [];
  const server: number[] = [];
  const openedAt: number[] = [];
  const connectedAt: number[] = [];
  const names: string[] = [];
  const errors: Record<string, number> = {};
  let late = 0;
  let underWay = 0;
  let running: (() => void) | undefined;
  let ended: () => void = () => {};

  function one(index: number): void {
    const opened = Date.now();
    let connected = Number.POSITIVE_INFINITY;
    let text = "";
    let reason: string | undefined;
    underWay++;
    const socket = connect({ ...targets[index]!, autoSelectFamily: false });
    const timer = setTimeout(() => socket.destroy(new Error("timeout")), TIMEOUT_MS);
    socket.setEncoding("latin1");
    socket.on("data", (data: string) => {
      text += data;
    });
    socket.on("connect", () => {
      connected = Date.now();
    });
    socket.on("error", (error) => {
      reason = (error as NodeJS.ErrnoException).code ?? error.message;
    });
    socket.on("close", () => {
      clearTimeout(timer);
      underWay--;
      if (reason === undefined && text === "") reason = "closed";
      if (reason !== undefined) errors[reason] = (errors[reason] ?? 0) + 1;
      let name = -1;
      if (reason === undefined) name = names.includes(text) ? names.indexOf(text) : names.push(text) - 1;
      target.push(index);
      server.push(name);
      openedAt.push(opened);
      connectedAt.push(connected);
      ended();
    });
  }

  function start(perSecond: number | undefined, concurrency: number): () => void {
    let next = 0;
    const another = () => one(next++ % targets.length);
    if (perSecond === undefined) {
      ended = another;
      for (let i = 0; i < concurrency; i++) another();
      return () => {
        ended = () => {};
      };
    }
    const startedAt = performance.now();
    let started = 0;
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond * targets.length);
      for (; started < due; started++) {
        if (underWay < concurrency) another();
        else late++;
      }
    }, 10);
    return () => clearInterval(timer);
  }

  return async (question) => {
    if (question.ask === "start") running = start(question.perSecond, question.concurrency);
    if (question.ask === "stop") {
      running?.();
      while (underWay > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return { target, server, openedAt, connectedAt, names, errors, late };
  };
}

process.once("message", async (role: Role) => {
  if (role.role === "servers") await serve(role.listen);
  else {
    const answer = clients(role.targets);
    process.on("message", async (question: Question) => process.send!(await answer(question)));
  }
  process.send!("ready");
});
process.on("disconnect", () => process.exit());
