// director run FILE, all of it but the kernel: the table in memory has clients, which standard input commands. A line with the name of a kernel
// entry (tcp:192.0.2.10:80) is a client that connects there and stays, an empty one is the end of the last that is there.
import { createInterface } from "node:readline";
import { runDaemon } from "../../src/cli/run.ts";
import { memoryTable } from "../../src/kernel/memory.ts";
import type { DestinationKey, ServiceKey } from "../../src/model/service.ts";

const table = memoryTable();
const open: [ServiceKey, DestinationKey][] = [];
const commands = createInterface({ input: process.stdin });
commands.on("line", (line) => {
  if (line === "") {
    const last = open.pop();
    if (last) table.release(...last);
    return;
  }
  const destination = table.open(line as ServiceKey);
  if (destination === undefined) throw new Error(`${line}: nobody there takes a client`);
  open.push([line as ServiceKey, destination]);
});
process.exitCode = await runDaemon({ configFile: process.argv[2]!, memory: () => table });
commands.close();
process.stdin.destroy();
