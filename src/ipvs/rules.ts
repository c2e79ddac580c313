import { formatEndpoint } from "../model/address.ts";
import { assertNever } from "../model/result.ts";
import type { Forwarding, Frontend } from "../model/service.ts";
import type { Destination, EntryPersistence, IpvsChange, ServiceEntry } from "./table.ts";

/** One line for `ipvsadm -R`, without the line's end. It says everything the kernel keeps, because `-e` and `-E` reset what they do not
 *  restate. Names and quotes never appear: -R does not unquote, and resolves what looks like a name. */
export function ruleLine(change: IpvsChange): string {
  switch (change.op) {
    case "add-service":
      return `-A ${serviceWords(change.entry)}`;
    case "edit-service":
      return `-E ${serviceWords(change.entry)}`;
    case "delete-service":
      return `-D ${frontendWords(change.was.frontend)}`;
    case "add-server":
      return `-a ${frontendWords(change.frontend)} ${destinationWords(change.destination)}`;
    case "edit-server":
      return `-e ${frontendWords(change.frontend)} ${destinationWords(change.destination)}`;
    case "delete-server":
      return `-d ${frontendWords(change.frontend)} -r ${formatEndpoint(change.was.address, change.was.port)}`;
    default:
      return assertNever(change);
  }
}

/** `-t 192.0.2.1:80`, `--sctp-service [2001:db8::1]:80`, `-f 7 -6`. A mark is written unsigned, as -R wants it, though listings print
 *  those from 2147483648 up as negative numbers. */
function frontendWords(frontend: Frontend): string {
  if (frontend.kind === "fwmark") return `-f ${frontend.mark}${frontend.family === 6 ? " -6" : ""}`;
  return `${PROTOCOL_OPTION[frontend.protocol]} ${formatEndpoint(frontend.address, frontend.port)}`;
}

const PROTOCOL_OPTION = { tcp: "-t", udp: "-u", sctp: "--sctp-service" } as const;

function serviceWords(entry: ServiceEntry): string {
  let words = `${frontendWords(entry.frontend)} -s ${entry.scheduler}`;
  if (entry.persistence) words += persistenceWords(entry.frontend, entry.persistence);
  if (entry.onePacket) words += " -o";
  if (entry.flags.length > 0) words += ` -b ${entry.flags.join(",")}`;
  return words;
}

/** @throws for a netmask with holes, which is only ever read (`EntryPersistence`). */
function persistenceWords(frontend: Frontend, { timeoutSec, prefix, engine }: EntryPersistence): string {
  const family = frontend.kind === "fwmark" ? frontend.family : frontend.address.family;
  const timeout = timeoutSec > 0 ? ` -p ${timeoutSec}` : "";
  const mask = prefix === (family === 4 ? 32 : 128) ? "" : ` -M ${family === 4 ? dottedMask(prefix) : prefix}`;
  return `${timeout}${mask}${engine === undefined ? "" : ` --pe ${engine}`}`;
}

/** 24 is `255.255.255.0`. */
function dottedMask(prefix: number): string {
  if (prefix < 0 || prefix > 32) throw new RangeError(`no IPv4 netmask of ${prefix} bits`);
  const bits = prefix === 0 ? 0 : (~0 << (32 - prefix)) >>> 0;
  return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join(".");
}

function destinationWords({ address, port, forwarding, weight, limits }: Destination): string {
  const words = `-r ${formatEndpoint(address, port)} ${forwardingWords(forwarding)} -w ${weight}`;
  if (limits === undefined) return words;
  const { upper, lower } = limits;
  return `${words}${upper === 0 ? "" : ` -x ${upper}`}${lower === 0 ? "" : ` -y ${lower}`}`;
}

function forwardingWords(forwarding: Forwarding): string {
  switch (forwarding.kind) {
    case "masquerade":
      return "-m";
    case "direct":
      return "-g";
    case "tunnel":
      return tunnelWords(forwarding);
    default:
      return assertNever(forwarding);
  }
}

/** Plain `-i` is ipip, also when it edits a gue or gre tunnel, and ipvsadm before 1.31 knows nothing else. */
function tunnelWords(tunnel: Extract<Forwarding, { kind: "tunnel" }>): string {
  switch (tunnel.encapsulation) {
    case "ipip":
      return "-i";
    case "gue":
      return `-i --tun-type gue --tun-port ${tunnel.port} ${CHECKSUM_OPTION[tunnel.checksum]}`;
    case "gre":
      return `-i --tun-type gre ${CHECKSUM_OPTION[tunnel.checksum]}`;
    default:
      return assertNever(tunnel);
  }
}

const CHECKSUM_OPTION = { none: "--tun-nocsum", checksum: "--tun-csum", remote: "--tun-remcsum" } as const;
