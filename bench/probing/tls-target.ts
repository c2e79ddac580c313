import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { certificate } from "../../test/support/certificates.ts";
import { start, type Target, type TargetStats } from "./processes.ts";
import type { Peer } from "./programs.ts";

/** Servers that speak TLS, on every address of this machine: HAProxy, which answers by itself, with session tickets. It counts requests, and does not
 *  know who sent them when: `served` is their number, `late` is empty.
 *  @param folder for its files */
export async function startTlsTarget(
  haproxy: Peer,
  port: number,
  folder: string,
  cpu: number | undefined,
): Promise<Target> {
  const { cert, key } = certificate({ subject: "target" });
  writeFileSync(join(folder, "target.pem"), `${cert}${key}`);
  const socket = join(folder, "target.sock");
  const file = join(folder, "target.cfg");
  writeFileSync(
    file,
    [
      "global",
      "  nbthread 1",
      "  maxconn 9000",
      `  stats socket ${socket}`,
      "defaults",
      "  mode http",
      "  timeout client 60s",
      "  timeout http-keep-alive 60s",
      "frontend target",
      `  bind *:${port} ssl crt ${join(folder, "target.pem")}`,
      '  http-request return status 200 content-type text/plain string "ok"',
      "",
    ].join("\n"),
  );
  const running = start([haproxy.program, "-f", file, "-db"], {
    ...(cpu === undefined ? {} : { cpu }),
    env: haproxy.env,
  });

  async function info(): Promise<string> {
    const connection = connect(socket);
    await once(connection, "connect");
    connection.end("show info\n");
    return await text(connection);
  }

  async function stats(): Promise<TargetStats & { readonly resumed: number }> {
    const said = await info();
    const number = (name: string) => Number(new RegExp(`^${name}: (\\d+)`, "m").exec(said)?.[1] ?? Number.NaN);
    const seen = number("CumReq");
    return {
      at: Number(process.hrtime.bigint() / 1000n),
      seen,
      served: seen,
      late: [],
      resumed: number("SslFrontendSessionReuse_pct"),
    };
  }

  for (let tries = 0; ; tries++)
    try {
      await info();
      break;
    } catch (error) {
      if (tries === 50 || !running.alive()) throw error;
      await sleep(100);
    }
  return {
    async ask<T>(line: string): Promise<T> {
      return (line === "reset" ? {} : await stats()) as T;
    },
    stop: running.stop,
  };
}
