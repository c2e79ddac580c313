import { resolve } from "node:path";
import { formatProblem } from "../config/parse.ts";
import { Unreachable } from "../control/client.ts";
import { flushKept, flushOwned } from "../director/flush.ts";
import { ipInterfaces } from "../kernel/interfaces.ts";
import { ipvsadmSettings } from "../kernel/ipvs-settings.ts";
import { ipvsadmTable } from "../kernel/ipvsadm.ts";
import { fileStore } from "../state/store.ts";
import { DEFAULT_CONFIG_FILE, loadConfigFile } from "./config-file.ts";
import {
  type Context,
  createContext,
  EXIT,
  Failed,
  type GlobalOptions,
  printJson,
  type Surroundings,
} from "./context.ts";

export interface FlushOptions extends GlobalOptions {
  readonly dryRun?: boolean;
  readonly config?: string;
}

/** `director flush`: empties our part of the kernel: the table, addresses and sync daemons. Only while no director runs: a running one would put it back.
 *  @throws Failed when one runs, nothing can be known of what is ours, or the kernel refuses */
export async function flush(surroundings: Surroundings, options: FlushOptions): Promise<number> {
  const { config, problems } = loadConfigFile(resolve(options.config ?? DEFAULT_CONFIG_FILE));
  if (!config) {
    surroundings.out.warn(...problems.map(formatProblem));
    return EXIT.badConfig;
  }
  const context = createContext(surroundings, options, config.control.socket);
  if (config.ipvs.backend === "memory") throw new Failed("ipvs.backend is memory: that table ends with its process");
  if (await answers(context))
    throw new Failed("a director is running and would put everything back: stop it first (systemctl stop director)");
  const ipvs = { command: config.ipvs.command, timeoutMs: config.ipvs.timeout };
  const dryRun = options.dryRun === true;
  const store = fileStore(config.state.directory);
  const services = await flushOwned(ipvsadmTable(ipvs), store, dryRun, context.signal);
  if (!services.ok) throw new Failed(services.error);
  const beside = { settings: ipvsadmSettings(ipvs), interfaces: ipInterfaces({ timeoutMs: ipvs.timeoutMs }) };
  const kept = await flushKept(beside, store, dryRun, context.signal);
  if (!kept.ok) throw new Failed(`the services are gone, but: ${kept.error}`);
  print(context, services.value, kept.value, dryRun);
  return EXIT.ok;
}

function print(context: Context, services: readonly string[], kept: readonly string[], dryRun: boolean): void {
  const lines = [...services, ...kept];
  if (context.json) printJson(context, dryRun ? { wouldDelete: lines } : { deleted: lines });
  else if (lines.length === 0) context.out.print("nothing of director's is in the table");
  else {
    const beside = kept.length === 0 ? "" : ` and ${kept.length} more`;
    context.out.print(...lines, `${services.length} virtual services${beside} ${dryRun ? "would be " : ""}deleted`);
  }
}

async function answers(context: Context): Promise<boolean> {
  try {
    await context.client.get("/v1/status", context.signal);
    return true;
  } catch (error) {
    // Whoever may not ask does not know.
    if (error instanceof Unreachable && ["ENOENT", "ECONNREFUSED", "ENOTDIR"].includes(error.code ?? "")) return false;
    throw error;
  }
}
