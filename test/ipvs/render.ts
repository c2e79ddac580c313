import type { Destination, IpvsTable, ServiceEntry } from "../../src/ipvs/table.ts";
import type { IpAddress } from "../../src/model/address.ts";
import type { Forwarding, Frontend } from "../../src/model/service.ts";

/** The table as `ipvsadm -Sn` 1.31 prints it (services in the table's order). */
export function renderListing(table: IpvsTable): string {
  const lines: string[] = [];
  for (const entry of table.values()) {
    const at = savedFrontend(entry.frontend);
    lines.push(`-A ${at} -s ${entry.scheduler}${savedOptions(entry)}`);
    for (const destination of entry.destinations.values()) lines.push(`-a ${at} ${savedDestination(destination)}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** The table as `ipvsadm -Ln --thresholds` 1.31 prints it. */
export function renderThresholds(table: IpvsTable): string {
  let text = "IP Virtual Server version 1.2.1 (size=4096)\n";
  text += "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  -> RemoteAddress:Port\n";
  for (const { frontend, scheduler, persistence, destinations } of table.values()) {
    const title =
      frontend.kind === "fwmark"
        ? `FWM  ${frontend.mark | 0}${frontend.family === 6 ? " IPv6" : ""}`
        : `${frontend.protocol.toUpperCase()}  ${endpoint(frontend.address, frontend.port)}`;
    text += `${title} ${scheduler}${persistence ? ` persistent ${persistence.timeoutSec}` : ""}\n`;
    for (const { address, port, limits } of destinations.values()) {
      const columns = [limits?.upper ?? 0, limits?.lower ?? 0, 0, 0].map((n) => `${n}`.padEnd(10)).join(" ");
      text += `  -> ${endpoint(address, port).padEnd(28)} ${columns}\n`;
    }
  }
  return text;
}

function savedFrontend(frontend: Frontend): string {
  if (frontend.kind === "fwmark") return `-f ${frontend.mark | 0}${frontend.family === 6 ? " -6" : ""}`;
  const option = { tcp: "-t", udp: "-u", sctp: "--sctp-service" }[frontend.protocol];
  return `${option} ${endpoint(frontend.address, frontend.port)}`;
}

function savedOptions({ frontend, persistence, onePacket, flags }: ServiceEntry): string {
  let text = "";
  if (persistence !== undefined) {
    const four = (frontend.kind === "fwmark" ? frontend.family : frontend.address.family) === 4;
    text += ` -p ${persistence.timeoutSec}`;
    if (four && persistence.prefix !== 32) text += ` -M ${netmask(persistence.prefix)}`;
    if (!four && persistence.prefix !== 128) text += ` -M ${persistence.prefix}`;
    if (persistence.engine !== undefined) text += ` --pe ${persistence.engine}`;
  }
  if (onePacket) text += " -o";
  return flags.length > 0 ? `${text} -b ${flags.join(",")}` : text;
}

function netmask(prefix: number): string {
  const bits = "1".repeat(prefix).padEnd(32, "0");
  return [0, 8, 16, 24].map((at) => Number.parseInt(bits.slice(at, at + 8), 2)).join(".");
}

function savedDestination({ address, port, forwarding, weight }: Destination): string {
  const option = { masquerade: "-m", direct: "-g", tunnel: "-i" }[forwarding.kind];
  return `-r ${endpoint(address, port)} ${option} -w ${weight}${savedTunnel(forwarding)}`;
}

function savedTunnel(forwarding: Forwarding): string {
  if (forwarding.kind !== "tunnel") return "";
  const type = ` --tun-type ${forwarding.encapsulation}`;
  if (forwarding.encapsulation === "ipip") return type;
  const port = forwarding.encapsulation === "gue" ? ` --tun-port ${forwarding.port}` : "";
  return `${type}${port} --tun-${{ none: "nocsum", checksum: "csum", remote: "remcsum" }[forwarding.checksum]}`;
}

function endpoint({ family, text }: IpAddress, port: number): string {
  return family === 6 ? `[${text}]:${port}` : `${text}:${port}`;
}

/** The table as /proc/net/ip_vs prints it (Linux 6.1), each destination with `connections` of its own. */
export function renderProc(table: IpvsTable, connections: (index: number) => [number, number] = () => [0, 0]): string {
  let text = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n";
  text += "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";
  let index = 0;
  for (const { frontend, scheduler, onePacket, persistence, destinations } of table.values()) {
    const ops = onePacket && !(frontend.kind === "address" && frontend.address.family === 6) ? "ops " : "";
    text +=
      frontend.kind === "fwmark"
        ? `FWM  ${hex(frontend.mark, 8)} ${scheduler} ${ops}`
        : `${frontend.protocol.toUpperCase()}  ${hexEndpoint(frontend.address, frontend.port)} ${scheduler} ${ops} `;
    text += persistence ? `persistent ${persistence.timeoutSec * 100} FFFFFFFF\n` : "\n";
    for (const { address, port, forwarding, weight } of [...destinations.values()].reverse()) {
      const [active, inactive] = connections(index++);
      const name = { masquerade: "Masq", direct: "Route", tunnel: "Tunnel" }[forwarding.kind];
      text += `  -> ${hexEndpoint(address, port)}      ${name.padEnd(7)} ${`${weight}`.padEnd(6)} ${`${active}`.padEnd(10)} ${`${inactive}`.padEnd(10)}\n`;
    }
  }
  return text;
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, "0");
}

function hexEndpoint({ family, text }: IpAddress, port: number): string {
  if (family === 6) return `[${expanded(text)}]:${hex(port, 4)}`;
  return `${text
    .split(".")
    .map((byte) => hex(Number(byte), 2))
    .join("")}:${hex(port, 4)}`;
}

/** All eight groups with all their digits. */
function expanded(text: string): string {
  const [before = "", after] = text.split("::");
  const head = before.split(":").filter((group) => group !== "");
  const tail = (after ?? "").split(":").filter((group) => group !== "");
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  return [...head, ...zeros, ...tail].map((group) => group.padStart(4, "0")).join(":");
}
