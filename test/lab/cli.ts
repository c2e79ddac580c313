import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { bootLab, type LabResult, LabUnavailable, type Topology } from "./lab.ts";
import { machineOf, prepared } from "./scenario.ts";

const usage = `lab: runs one command in a throw-away machine with the real IPVS
  node test/lab/cli.ts [options] FILE.lab.ts          a scenario, in the machine it asks for
  node test/lab/cli.ts [options] -- COMMAND [ARG...]  anything else
options:
  -T, --topology routed|flat|none   -n, --servers N   -S, --systemd
  -t, --timeout SECONDS             -m, --memory MB
  -e, --env NAME=VALUE   repeatable
  -w, --writable FOLDER  repeatable; everything else the guest writes is lost
  -v, --verbose          the machine's console, on stderr
Exit code: the command's own; 124 time limit; 125 the lab itself failed.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    topology: { type: "string", short: "T" },
    servers: { type: "string", short: "n" },
    systemd: { type: "boolean", short: "S" },
    timeout: { type: "string", short: "t" },
    memory: { type: "string", short: "m" },
    env: { type: "string", short: "e", multiple: true },
    writable: { type: "string", short: "w", multiple: true },
    verbose: { type: "boolean", short: "v" },
    help: { type: "boolean", short: "h" },
  },
});

process.exitCode = await main();

async function main(): Promise<number> {
  const [first] = positionals;
  if (first === undefined || values.help) {
    console.log(usage);
    return values.help ? 0 : 125;
  }
  const scenario = first.endsWith(".lab.ts");
  const env = Object.fromEntries(
    (values.env ?? []).map((pair) => [pair.split("=")[0]!, pair.slice(pair.indexOf("=") + 1)]),
  );
  try {
    using made = await prepared(scenario ? resolve(first) : undefined);
    const result: LabResult = await bootLab({
      ...(scenario ? machineOf(first) : {}),
      ...(values.topology && { topology: values.topology as Topology }),
      ...(values.servers && { servers: Number(values.servers) }),
      ...(values.timeout && { timeoutSec: Number(values.timeout) }),
      ...(values.memory && { memoryMb: Number(values.memory) }),
      ...(values.systemd && { systemd: true }),
      command: scenario ? [process.execPath, "--test-reporter=spec", resolve(first)] : positionals,
      cwd: process.cwd(),
      env: { ...env, ...made.env },
      writable: values.writable ?? [],
      onStdout: (text) => void process.stdout.write(text),
      onStderr: (text) => void process.stderr.write(text),
    });
    if (values.verbose) console.error(result.console);
    return result.code;
  } catch (error) {
    console.error(`lab: ${error instanceof LabUnavailable ? "cannot run here: " : ""}${(error as Error).message}`);
    return 125;
  }
}
