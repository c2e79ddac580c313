import { z } from "zod";
import { defaultText } from "./defaults.ts";
import { hostName, interfaceName, listenEndpoint, socketPath, wholeSeconds } from "./field-scalars.ts";
import { absolutePath, bool, durationFrom, integer, octalMode, oneOf, share, text } from "./scalars.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 1440 * MINUTE;

const readOnlySocket = z.strictObject({
  socket: socketPath.describe("Where it listens"),
  mode: octalMode
    .prefault(defaultText("control.read_only.mode"))
    .describe("Its permission bits; connecting needs the write bit"),
});

/** The keys of the main file that are about the daemon itself. */
export const globalKeys = {
  ipvs: z
    .strictObject({
      mode: oneOf("manage", "observe")
        .prefault(defaultText("ipvs.mode"))
        .describe("observe: probe, decide, show the difference, never write"),
      backend: oneOf("ipvsadm", "memory")
        .prefault(defaultText("ipvs.backend"))
        .describe("memory: a table in this process, for demos and tests"),
      command: absolutePath.prefault(defaultText("ipvs.command")).describe("The program that writes the table"),
      timeout: durationFrom(100, 10 * MINUTE)
        .prefault(defaultText("ipvs.timeout"))
        .describe("A hanging call is killed"),
      resync: durationFrom(SECOND, DAY).prefault(defaultText("ipvs.resync")).describe("Full read back"),
      drift: oneOf("repair", "report")
        .prefault(defaultText("ipvs.drift"))
        .describe("What someone else changed in our services"),
      sync: z
        .strictObject({
          role: oneOf("master", "backup", "both").describe(
            "Send connections to the other machines, take theirs, or both",
          ),
          interface: interfaceName.describe("Over which they are sent, by multicast"),
          id: integer(0, 255).describe("Machines that have the same take each other's connections"),
        })
        .optional()
        .describe("The kernel's connection sync daemon"),
      timeouts: z
        .strictObject({
          tcp: wholeSeconds.optional().describe("Of an established connection, 1s to 31 days"),
          tcp_fin: wholeSeconds.optional().describe("Of one that is closing"),
          udp: wholeSeconds.optional().describe("Of a flow of datagrams"),
        })
        .refine((given) => Object.keys(given).length > 0, { error: "give at least one of tcp, tcp_fin and udp" })
        .optional()
        .describe("How long the kernel keeps silent connections; what is left out stays as it is"),
    })
    .prefault({})
    .describe("How the kernel's table is written and watched"),
  vips: z
    .strictObject({
      device: interfaceName.describe("A dummy interface, made where there is none of that name"),
      withdraw: bool
        .prefault(defaultText("vips.withdraw"))
        .describe("Take an address off while no service of it has its quorum"),
    })
    .optional()
    .describe("Keep the virtual services' addresses on an interface of this machine"),
  state: z
    .strictObject({
      directory: absolutePath
        .prefault(defaultText("state.directory"))
        .describe("Holds the intent (commands, drains) and the latest events; must be writable, with room for some MB"),
    })
    .prefault({})
    .describe("Where what was commanded survives a restart"),
  control: z
    .strictObject({
      socket: socketPath.prefault(defaultText("control.socket")).describe("Where commands are taken"),
      mode: octalMode
        .prefault(defaultText("control.mode"))
        .describe("Permission bits of the socket; connecting needs the write bit"),
      group: text.optional().describe("Name of the socket's group, which must exist. Default: the process's own"),
      read_only: readOnlySocket.optional().describe("A second socket that answers GET only"),
    })
    .prefault({})
    .describe("The unix socket that commands go through"),
  http: z
    .strictObject({
      listen: z
        .array(listenEndpoint)
        .min(1, { error: "may not be empty: leave http out for no listener" })
        .describe("Where to listen; it never takes commands"),
      hosts: z.array(hostName).optional().describe("Names clients may ask for besides localhost and addresses"),
    })
    .optional()
    .describe("Read-only: /metrics /healthz /readyz and the status page"),
  log: z
    .strictObject({
      level: oneOf("debug", "info", "warn", "error")
        .prefault(defaultText("log.level"))
        .describe("The least important lines that are written; debug has every probe"),
      format: oneOf("auto", "journal", "text", "json")
        .prefault(defaultText("log.format"))
        .describe("auto: journal under systemd, color on a terminal, else JSON"),
    })
    .prefault({})
    .describe("What is logged, to standard error or the journal"),
  reload: z
    .strictObject({
      max_removed: share
        .prefault(defaultText("reload.max_removed"))
        .describe("A reload that takes away more of the services, or of a service's weight, needs --force"),
    })
    .prefault({})
    .describe("How much a reload may take away"),
};
