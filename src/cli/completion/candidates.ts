import type { Argument, Option } from "commander";
import type { ServiceStatus, StatusReply } from "../../control/shapes.ts";
import { EVENT_WORDS } from "../../model/event-words.ts";
import { isRunning, route, standing } from "../drain-text.ts";
import { optionsOf, type Place } from "./place.ts";

/** What may stand there, with a word about it. */
export interface Candidate {
  readonly value: string;
  readonly about: string;
}

/** `files`: the shell knows better. */
export type Candidates = readonly Candidate[] | "files";

/** Asked only where a name is wanted; undefined: nobody answers in time. */
export type Ask = () => Promise<StatusReply | undefined>;

/** All that may stand there and begins as what was typed. */
export async function candidatesFor(place: Place, ask: Ask): Promise<Candidates> {
  const { wanted } = place;
  switch (wanted.kind) {
    case "option-name":
      return beginning(optionNames(place), wanted.typed, "");
    case "option-value": {
      const values = await optionValues(wanted.option, place, ask);
      return values === "files" ? values : listed(wanted.option, values, wanted.typed, wanted.before);
    }
    case "argument": {
      const names = wanted.commands ? commandNames(place) : [];
      const values = wanted.argument === undefined ? [] : await argumentValues(wanted.argument, place, ask);
      return values === "files" ? values : beginning([...names, ...values], wanted.typed, "");
    }
  }
}

function beginning(all: readonly Candidate[], typed: string, before: string): readonly Candidate[] {
  const seen = new Set<string>();
  return all.flatMap(({ value, about }) => {
    if (!value.startsWith(typed) || seen.has(value)) return [];
    seen.add(value);
    return [{ value: before + value, about }];
  });
}

/** `a,b,` and what may follow; what stands there already is not offered again. */
function listed(option: Option, all: readonly Candidate[], typed: string, before: string): readonly Candidate[] {
  if (!option.flags.includes(",...")) return beginning(all, typed, before);
  const end = typed.lastIndexOf(",") + 1;
  const there = typed.slice(0, end).split(",");
  const rest = all.filter(({ value }) => !there.includes(value));
  return beginning(rest, typed.slice(end), before + typed.slice(0, end));
}

function optionNames({ command, given }: Place): readonly Candidate[] {
  const named = optionsOf(command).filter(({ long, hidden }) => long !== undefined && !hidden && !given.has(long));
  return named.map(({ long, description }) => ({ value: long!, about: description }));
}

function commandNames({ command }: Place): readonly Candidate[] {
  const visible = command.createHelp().visibleCommands(command);
  return visible.map((each) => ({ value: each.name(), about: each.description() }));
}

async function optionValues(option: Option, place: Place, ask: Ask): Promise<Candidates> {
  if (option.argChoices) return option.argChoices.map((value) => ({ value, about: "" }));
  switch (option.long) {
    case "--socket":
    case "--config":
    case "--output":
    case "--base":
      return "files";
    case "--service":
      return services(await ask());
    case "--from":
    case "--to":
      return serversOf(place, await ask());
    case "--host":
      return hosts(await ask());
    case "--kind":
      return kinds();
    default:
      return [];
  }
}

async function argumentValues(argument: Argument, place: Place, ask: Ask): Promise<Candidates> {
  if (argument.argChoices) return argument.argChoices.map((value) => ({ value, about: "" }));
  switch (argument.name()) {
    case "service":
      return services(await ask());
    case "server":
      return serversOf(place, await ask());
    case "id|service":
      return drains(await ask());
    case "weight":
      return [{ value: "configured", about: "what the file says" }];
    case "file":
      return "files";
    default:
      return [];
  }
}

function services(status: StatusReply | undefined): readonly Candidate[] {
  return (status?.services ?? []).map(({ name, frontends, trouble }) => ({
    value: name,
    about: trouble ?? frontends.join(", "),
  }));
}

/** Of the service that stands on the line. */
function serversOf({ args, given }: Place, status: StatusReply | undefined): readonly Candidate[] {
  const named = given.get("--service") ?? args[0];
  const service: ServiceStatus | undefined = status?.services.find(({ name }) => name === named);
  return (service?.servers ?? []).map(({ name, address, state, weight }) => ({
    value: name,
    about: `${name === address ? "" : `${address}, `}${state}, weight ${weight}`,
  }));
}

/** Names of servers, and their addresses without the port. */
function hosts(status: StatusReply | undefined): readonly Candidate[] {
  return (status?.services ?? []).flatMap(({ name: service, servers }) =>
    servers.flatMap(({ name, address }) => {
      const host = address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
      return [
        ...(name === address ? [] : [{ value: name, about: `in ${service}` }]),
        { value: host, about: `in ${service}` },
      ];
    }),
  );
}

/** Those under way by id, by machine and by service; then those whose shares stand, which can be undone. */
function drains(status: StatusReply | undefined): readonly Candidate[] {
  const all = (status?.drains ?? []).filter(({ stands, ...drain }) => stands || isRunning({ ...drain, stands }));
  const ordered = all.toSorted((a, b) => Number(isRunning(b)) - Number(isRunning(a)));
  return ordered.flatMap((drain) => {
    const about = `${drain.service}: ${route(drain)}: ${standing(drain, false)}`;
    return [
      { value: drain.id, about },
      ...(drain.parent ? [{ value: drain.parent.id, about: `machine ${drain.parent.host}` }] : []),
      ...(isRunning(drain) ? [{ value: drain.service, about }] : []),
    ];
  });
}

function kinds(): readonly Candidate[] {
  return Object.entries(EVENT_WORDS).flatMap(([kind, words]) => [
    { value: kind, about: "" },
    ...(typeof words === "string" ? [] : words.map((word) => ({ value: `${kind}.${word}`, about: "" }))),
  ]);
}
