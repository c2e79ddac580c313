import type { Hook } from "../hooks.ts";
import type { Hook as Command, RealServer, VirtualServer } from "./model.ts";

/** The hooks of one service: those of its quorum, and those that all of its servers have alike. */
export function serviceHooks(service: VirtualServer, servers: readonly RealServer[], name: string): readonly Hook[] {
  const hooks: Hook[] = [];
  const add = (
    event: string,
    word: string,
    hook: Command | undefined,
    notes: VirtualServer["notes"],
    keyword: string,
  ) => {
    if (hook === undefined) return;
    const [program = ""] = hook.argv;
    if (program.startsWith("/")) hooks.push({ word, event, service: name, argv: hook.argv });
    else
      notes.add(
        "dropped",
        hook.place,
        `${keyword} ${program}`,
        "is looked for by keepalived's PATH: write its absolute path in a hook",
      );
  };
  const { quorumUp, quorumDown } = service.hooks;
  add("service.quorum-regained", "quorum-up", quorumUp, service.notes, "quorum_up");
  add("service.quorum-lost", "quorum-down", quorumDown, service.notes, "quorum_down");
  if (quorumUp !== undefined)
    service.notes.add(
      "changed",
      quorumUp.place,
      "quorum_up",
      "keepalived runs it at every start as well; a hook runs when a quorum that was lost is there again",
    );
  add("server.up", "up", common(servers, "up"), service.notes, "notify_up");
  add("server.down", "down", common(servers, "down"), service.notes, "notify_down");
  return hooks;
}

/** A hook is told of all servers of a service, and learns from the event which it is. */
function common(servers: readonly RealServer[], which: "up" | "down"): Command | undefined {
  const hooks = servers.map(({ hooks }) => hooks[which]);
  const [first] = hooks;
  const alike = first !== undefined && hooks.every((hook) => JSON.stringify(hook?.argv) === JSON.stringify(first.argv));
  if (alike) return first;
  for (const { hooks, notes } of servers) {
    const hook = hooks[which];
    if (hook !== undefined)
      notes.add(
        "dropped",
        hook.place,
        `notify_${which} ${hook.argv.join(" ")}`,
        `a hook on server.${which} runs for every server of the service, and not all of them have this one: write one program that reads the server from the event, as JSON on its standard input`,
      );
  }
  return undefined;
}
