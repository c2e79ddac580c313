import type { ProbeOutcome } from "../model/probe.ts";
import { formatDuration, type Millis } from "../model/time.ts";

/** Where a probe stands, worded to follow `timed out after 2s` and `connection reset`. */
export type Phase =
  /** Behind probes of other servers. */
  | "waiting for our turn"
  | "while connecting"
  | "in TLS handshake"
  | "while sending"
  | "waiting for the greeting"
  | "waiting for the reply"
  | `waiting for the reply to ${string}`
  | "reading the headers"
  | "reading the body";

export type Done = (outcome: ProbeOutcome) => void;

export function fail(reason: string): ProbeOutcome {
  return { kind: "fail", reason };
}

export function inconclusive(reason: string): ProbeOutcome {
  return { kind: "inconclusive", reason };
}

/** The deadline has passed. Where the probe could begin only late, the time was not all the server's: a wait of more than a tenth of it says
 *  nothing about the server. */
export function timedOut(timeout: Millis, phase: Phase, waited: Millis = 0): ProbeOutcome {
  const all = formatDuration(timeout);
  if (phase === "waiting for our turn" || waited > timeout / 10)
    return inconclusive(`director was too busy to connect within ${all}`);
  return fail(`timed out after ${all} ${phase}`);
}

/** Where an error comes from: our own call into the kernel, refused on the spot, or what the network answered later. */
export type Origin = "own-call" | "network";

type SystemError = Pick<NodeJS.ErrnoException, "code" | "syscall" | "message">;

/** What a socket error says about the server. Trouble of our own (descriptors, ports, memory, permission, routes) is inconclusive; whatever came back
 *  over the network is a failure, and so is EHOSTUNREACH from either side: the kernel gives it for a neighbour that does not answer ARP.
 *  ENETUNREACH and EACCES mean our own table in the first case, a router's ICMP answer in the second (net/ipv4/icmp.c, net/ipv6/icmp.c). */
export function fromError(error: SystemError, phase: Phase, origin: Origin): ProbeOutcome {
  const { code } = error;
  switch (code) {
    case "EMFILE":
      return inconclusive("director is out of file descriptors (EMFILE), raise LimitNOFILE");
    case "ENFILE":
      return inconclusive("this machine is out of file descriptors (ENFILE), raise fs.file-max");
    case "ENOBUFS":
    case "ENOMEM":
      return inconclusive(`this machine is out of memory for sockets (${code})`);
    case "EADDRINUSE":
      return inconclusive("no local port is free (EADDRINUSE)");
    case "EADDRNOTAVAIL":
      return inconclusive(
        error.syscall === "bind"
          ? "the source address is not on this machine (EADDRNOTAVAIL)"
          : "no local port or address is free (EADDRNOTAVAIL)",
      );
    case "EPERM":
      return inconclusive("forbidden by this machine's own firewall (EPERM)");
    case "EMSGSIZE":
      return inconclusive("the datagram is too large to send (EMSGSIZE)");
    case "EAFNOSUPPORT":
    case "ENETDOWN":
    case "EINVAL":
      return inconclusive(`this machine cannot use the address (${code})`);
    case "EACCES":
      return origin === "network"
        ? fail("administratively prohibited, says a router (EACCES)")
        : inconclusive("forbidden by this machine's own routes (EACCES)");
    case "ENETUNREACH":
      return origin === "network"
        ? fail("network unreachable, says a router (ENETUNREACH)")
        : inconclusive("this machine has no route to it (ENETUNREACH)");
    case "ECONNREFUSED":
      return fail("connection refused");
    case "ECONNRESET":
      // Node's own invention, without a system call, when a connection ends within the TLS handshake (lib/internal/tls/wrap.js).
      return fail(`connection ${error.syscall === undefined ? "closed" : "reset"} ${phase}`);
    case "EPIPE":
      return fail(`connection closed ${phase}`);
    case "EHOSTUNREACH":
    case "EHOSTDOWN":
      return fail(`host unreachable (${code})`);
    case "ETIMEDOUT":
      return fail(`given up by the kernel ${phase} (ETIMEDOUT)`);
    default:
      return fail(`${error.message} ${phase}`);
  }
}
