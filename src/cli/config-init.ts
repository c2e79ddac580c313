import { writeFileSync } from "node:fs";
import { DEFAULT_CONFIG_FILE } from "./config-file.ts";
import { EXIT, Failed } from "./context.ts";
import type { Output } from "./output.ts";

/** A whole configuration of one service, to be changed into one's own; parses as it stands. */
export const STARTER = `# Which virtual services this director keeps, and how it tells that a real server works.
#
#   director config test            finds every problem at once; touches nothing
#   director config show --effective   every key with its default
#   man director.conf               every key explained
#
# To look first and write nothing: decide and show what would change.
# ipvs: { mode: observe }

# For Prometheus, VRRP and BGP scripts, and a status page; never takes commands.
http: { listen: ["127.0.0.1:9180"] }

services:
  - name: web
    vip: 192.0.2.10:80              # what clients connect to: an address of this machine
    check: { type: http, path: /healthz, interval: 2s, timeout: 2s, fall: 3, rise: 2 }
    servers:
      - { name: web1, address: "10.0.0.11:8080", weight: 100 }
      - { name: web2, address: "10.0.0.12:8080", weight: 100 }
      - { name: web3, address: "10.0.0.13:8080", weight: 0 }     # a standby, ready to be drained to
`;

/** `director config init`: writes the starter to a new file; to standard output for `-`.
 *  @throws Failed when the file is there already, or cannot be written */
export function configInit(out: Output, file: string = DEFAULT_CONFIG_FILE): number {
  if (file === "-") {
    out.write(STARTER);
    return EXIT.ok;
  }
  try {
    writeFileSync(file, STARTER, { flag: "wx", mode: 0o640 });
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST")
      throw new Failed(`${file} is there already, and stays as it is; \`config init -\` prints the starter`);
    throw new Failed(`${file} cannot be written: ${message}`);
  }
  out.print(`${file} written: put your addresses into it, then \`director config test ${file}\``);
  return EXIT.ok;
}
