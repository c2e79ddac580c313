/*
 * What pieces of keepalived.conf are made of, and what is known of each: the pool that keepalived keeps of it while its servers die and come back.
 * service-pieces.ts and check-pieces.ts have the pieces. In the lab a real keepalived confirms that, and director has to keep the same pool by the import;
 * test/import/beside-keepalived.test.ts sees to it that every keyword of the importer stands in one of them.
 */

/** One after the other, for all pieces at once. A server that is dead is so on all its ports, as pool-servers.ts has it. */
export const MOMENTS = ["at the start", "with a dead", "with a and b dead", "with a back", "with both back"] as const;

/** The pool at each moment: `a3 b1` are the weights of 10.9.1.2 and 10.9.2.2, `s1` is that of the sorry server, 10.9.3.2. */
export type Pools = readonly [string, string, string, string, string];

/** Where director's table is another one. */
export interface Difference {
  /** undefined: it has no such service. */
  readonly pools: Pools | undefined;
  /** How a note of the import begins that says so. */
  readonly note: string;
  /** As it stands in docs/migrating.md, beside the name of the piece. */
  readonly why: string;
}

export interface Piece {
  readonly name: string;
  readonly text: string;
  /** Files it includes, by their path in the lab. */
  readonly includes?: Readonly<Record<string, string>>;
  /** What it is in the kernel: `-t 10.100.0.1:1001`. */
  readonly services: readonly string[];
  readonly pools: Pools;
  readonly differs?: Difference;
}

/** A server that fails is deleted. */
export const DELETED: Pools = ["a1 b1", "b1", "", "a1", "a1 b1"];
/** It gets weight 0, as with inhibit_on_failure. */
export const INHIBITED: Pools = ["a1 b1", "a0 b1", "a0 b0", "a1 b0", "a1 b1"];
/** Nobody looks. */
export const UNMOVED: Pools = ["a1 b1", "a1 b1", "a1 b1", "a1 b1", "a1 b1"];
/** The sorry server serves while both are dead. */
export const SORRY: Pools = ["a1 b1", "b1", "s1", "a1", "a1 b1"];

/** Quick, for a slow machine that does all this twice; no server here fails by its silence alone. */
export const PACE = "delay_loop 2\ndelay_before_retry 0.5\nconnect_timeout 10";

export const block = (head: string, ...lines: readonly string[]): string => `${head} {\n${lines.join("\n")}\n}`;

/** `real_server` a or b, at `port` unless that is empty. */
export function server(letter: "a" | "b", lines: string, port = "80"): string {
  const ip = letter === "a" ? "10.9.1.2" : "10.9.2.2";
  return block(`real_server ${ip} ${port}`, lines.replaceAll("LETTER", letter));
}

/** Both, alike; LETTER is the one that it is. */
export const both = (lines: string, port?: string): string =>
  `${server("a", lines, port)}\n${server("b", lines, port)}`;

export const TCP = both("TCP_CHECK { }");
/** Nobody asks these: pieces about the service alone. */
export const UNCHECKED = both("weight 1");

interface Options {
  readonly pools?: Pools;
  readonly protocol?: "TCP" | "UDP" | "SCTP";
  readonly differs?: Difference;
  /** Above the virtual server. */
  readonly above?: string;
}

/** Pieces that are virtual servers of one address, each with a port of its own. */
export function virtualServers(firstPort: number) {
  let port = firstPort;
  return (name: string, lines: string, servers: string, options: Options = {}): Piece => {
    const { pools = DELETED, protocol = "TCP", differs, above = "" } = options;
    port += 1;
    const service = block(`virtual_server 10.100.0.1 ${port}`, PACE, `protocol ${protocol}`, lines, servers);
    const option = { TCP: "-t", UDP: "-u", SCTP: "--sctp-service" }[protocol];
    const text = `${above}\n${service}\n`;
    return { name, text, services: [`${option} 10.100.0.1:${port}`], pools, ...(differs && { differs }) };
  };
}
