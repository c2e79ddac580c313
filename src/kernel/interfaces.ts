import { type IpAddress, parseAddress } from "../model/address.ts";
import { assertNever } from "../model/result.ts";
import { CommandError, runCommand } from "../runtime/run-command.ts";

/** An address as an interface has it. */
export interface HostAddress {
  readonly device: string;
  readonly address: IpAddress;
  readonly prefix: number;
}

export interface Device {
  readonly name: string;
  readonly up: boolean;
  /** One of the kernel's dummy interfaces: nothing else can depend on it being up or down. */
  readonly dummy: boolean;
}

/** This machine's interfaces (of our network namespace). */
export interface HostNetwork {
  readonly devices: ReadonlyMap<string, Device>;
  readonly addresses: readonly HostAddress[];
}

/** Addresses come and go as single ones: /32 and /128. */
export type NetworkOrder =
  | { readonly op: "make-dummy"; readonly device: string }
  | { readonly op: "bring-up"; readonly device: string }
  | { readonly op: "add-address"; readonly device: string; readonly address: IpAddress }
  | { readonly op: "remove-address"; readonly device: string; readonly address: IpAddress };

/** Who holds the interfaces. Every method ends soon after `signal` aborts and rejects where the tool cannot be run at all. */
export interface Interfaces {
  read(signal: AbortSignal): Promise<HostNetwork>;
  /** Carries the orders out in turn; one that is refused stops none after it. Returns why, for each that was. */
  order(orders: readonly NetworkOrder[], signal: AbortSignal): Promise<ReadonlyMap<NetworkOrder, string>>;
}

export interface InterfacesOptions {
  /** Default: the first `ip` in the usual places. */
  readonly command?: string;
  /** Of each run of it; one that hangs is killed. */
  readonly timeoutMs: number;
}

/** By way of ip(8). Writing needs CAP_NET_ADMIN; the kernel loads its module for dummy interfaces by itself. */
export function ipInterfaces({ command = "ip", timeoutMs }: InterfacesOptions): Interfaces {
  async function ip(args: readonly string[], stdin: string, signal: AbortSignal) {
    try {
      return await runCommand([command, ...args], { stdin, timeoutMs, env: ENVIRONMENT }, signal);
    } catch (error) {
      if (error instanceof CommandError && error.trouble === "not-started")
        throw new Error(`${error.message}; install iproute2, or leave out vips`, { cause: error });
      throw error;
    }
  }
  return {
    async read(signal) {
      const { code, stdout, stderr } = await ip(["-details", "-json", "address", "show"], "", signal);
      if (code !== 0) throw new Error(`ip address show failed with exit code ${code}: ${stderr.trim()}`);
      return parseInterfaces(stdout);
    },
    async order(orders, signal) {
      if (orders.length === 0) return new Map();
      const lines = orders.map((order) => `${orderLine(order)}\n`).join("");
      const { code, stderr } = await ip(["-force", "-batch", "-"], lines, signal);
      return refusedOf(orders, code ?? 1, stderr);
    },
  };
}

const ENVIRONMENT = { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } as const;

/** `nodad`: an address that is kept on a dummy has nobody to ask for duplicates, and would be of no use for a second. */
export function orderLine(order: NetworkOrder): string {
  switch (order.op) {
    case "make-dummy":
      return `link add ${order.device} type dummy`;
    case "bring-up":
      return `link set ${order.device} up`;
    case "add-address":
      return `address add ${single(order.address)} dev ${order.device}${order.address.family === 6 ? " nodad" : ""}`;
    case "remove-address":
      return `address del ${single(order.address)} dev ${order.device}`;
    default:
      return assertNever(order);
  }
}

function single({ family, text }: IpAddress): string {
  return `${text}/${family === 4 ? 32 : 128}`;
}

/** `ip -force -batch` says after each message which line it was about: `Command failed -:2`. */
function refusedOf(orders: readonly NetworkOrder[], code: number, stderr: string): ReadonlyMap<NetworkOrder, string> {
  const refused = new Map<NetworkOrder, string>();
  let said: string[] = [];
  for (const line of stderr.split("\n").map((text) => text.trim())) {
    const number = /^Command failed -:(\d+)$/.exec(line)?.[1];
    const order = number === undefined ? undefined : orders[Number(number) - 1];
    if (order === undefined) {
      if (line !== "") said.push(line);
      continue;
    }
    refused.set(order, `ip ${orderLine(order)}: ${said.join("; ") || "refused without a word"}`);
    said = [];
  }
  if (refused.size === 0 && code !== 0)
    for (const order of orders) refused.set(order, `ip ended with exit code ${code}: ${said.join("; ")}`);
  return refused;
}

/** Reads the output of `ip -details -json address show` (iproute2 6.1). What is not an address or a device there is left out.
 *  @throws where it is no list at all */
export function parseInterfaces(text: string): HostNetwork {
  const devices = new Map<string, Device>();
  const addresses: HostAddress[] = [];
  const list: unknown = JSON.parse(text.trim() === "" ? "[]" : text);
  if (!Array.isArray(list)) throw new Error("ip -json address show: expected a list");
  for (const item of list.map(record)) {
    const name = item.ifname;
    if (typeof name !== "string") continue;
    const flags = Array.isArray(item.flags) ? item.flags : [];
    devices.set(name, { name, up: flags.includes("UP"), dummy: record(item.linkinfo).info_kind === "dummy" });
    for (const info of (Array.isArray(item.addr_info) ? item.addr_info : []).map(record)) {
      const address = typeof info.local === "string" ? parseAddress(info.local) : undefined;
      if (address !== undefined && typeof info.prefixlen === "number")
        addresses.push({ device: name, address, prefix: info.prefixlen });
    }
  }
  return { devices, addresses };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** The same in this process, for `backend: memory` and tests. */
export function memoryInterfaces(initial: HostNetwork = { devices: new Map(), addresses: [] }): Interfaces {
  const devices = new Map(initial.devices);
  let addresses = [...initial.addresses];
  const same = (a: HostAddress, { device, address }: { readonly device: string; readonly address: IpAddress }) =>
    a.device === device && a.address.text === address.text && a.prefix === (address.family === 4 ? 32 : 128);

  function carryOut(order: NetworkOrder): string | undefined {
    const { device } = order;
    if (order.op === "make-dummy") {
      if (devices.has(device)) return "RTNETLINK answers: File exists";
      devices.set(device, { name: device, up: false, dummy: true });
      return undefined;
    }
    const present = devices.get(device);
    if (present === undefined) return `Cannot find device "${device}"`;
    switch (order.op) {
      case "bring-up":
        devices.set(device, { ...present, up: true });
        return undefined;
      case "add-address":
        if (addresses.some((a) => same(a, order))) return "RTNETLINK answers: File exists";
        addresses.push({ device, address: order.address, prefix: order.address.family === 4 ? 32 : 128 });
        return undefined;
      case "remove-address":
        if (!addresses.some((a) => same(a, order))) return "RTNETLINK answers: Cannot assign requested address";
        addresses = addresses.filter((a) => !same(a, order));
        return undefined;
      default:
        return assertNever(order);
    }
  }

  return {
    read: async () => ({ devices: new Map(devices), addresses: [...addresses] }),
    async order(orders) {
      const refused = new Map<NetworkOrder, string>();
      for (const order of orders) {
        const reason = carryOut(order);
        if (reason !== undefined) refused.set(order, `ip ${orderLine(order)}: ${reason}`);
      }
      return refused;
    },
  };
}
