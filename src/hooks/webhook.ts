import { connect as connectTcp, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type SecureContext } from "node:tls";
import type { Client } from "undici";
import type { HookAction } from "../model/hook.ts";
import { formatDuration, type Millis } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Delivery, failed, firstLine } from "./outcome.ts";

export type Webhook = Extract<HookAction, { kind: "webhook" }>;

export interface WebhookSurroundings {
  readonly clock: Clock;
  /** Whom a handshake trusts. @throws when the file of issuers cannot be read */
  readonly trust: (wanted: Pick<Webhook, "verify" | "ca">) => SecureContext;
  /** Pauses before a second and any further attempt. */
  readonly retryAfter: readonly Millis[];
}

/** A server that is not there now may be there in a few seconds: a restart, a failover, a lost packet. Three more attempts, 7s in all; who is away for
 *  longer is told of what comes next. */
export const RETRY_AFTER_MS: readonly Millis[] = [1_000, 2_000, 4_000];

/** Of an answer this much is read, to end the connection in order. */
const MOST_ANSWER = 64 * 1024;

/** One attempt's end. `again`: it may go better later. */
interface Attempt {
  readonly delivery: Delivery;
  readonly again: boolean;
}

/** POSTs `body`; a status of 200 to 299 is success. Redirects are not followed: an event goes where the file says, or nowhere. No connection, no answer in
 *  time, 429 and 5xx are tried again; every attempt has `timeout` of its own, from looking up the name to the end of the answer. */
export async function callWebhook(
  hook: Webhook,
  body: string,
  timeout: Millis,
  surroundings: WebhookSurroundings,
  signal: AbortSignal,
): Promise<Delivery> {
  for (let attempt = 0; ; attempt++) {
    const { delivery, again } = await post(hook, body, timeout, surroundings, signal);
    const pause = surroundings.retryAfter[attempt];
    if (delivery.kind !== "failed") return delivery;
    if (!again || pause === undefined)
      return attempt === 0 ? delivery : failed(`${delivery.reason} (${attempt + 1} attempts)`);
    await sleep(surroundings.clock, pause, signal);
    if (signal.aborted) return { kind: "interrupted" };
  }
}

/** A connection of its own for each attempt: events are rare, and one that was kept may be dead by the next. */
async function post(
  { url, headers, verify, ca }: Webhook,
  body: string,
  timeout: Millis,
  { clock, trust }: WebhookSurroundings,
  signal: AbortSignal,
): Promise<Attempt> {
  // Only where there is a hook to call: it takes 14 MB.
  const undici = await import("undici");
  if (signal.aborted) return { delivery: { kind: "interrupted" }, again: false };
  const { origin, pathname, search } = new URL(url);
  let line: Line | undefined;
  let late = false;
  const hangUp = (): void => line?.close();
  const disarm = clock.after(timeout, () => {
    late = true;
    hangUp();
  });
  signal.addEventListener("abort", hangUp, { once: true });
  try {
    line = openLine(undici.Client, origin, () => ({
      secureContext: trust({ verify, ca }),
      rejectUnauthorized: verify,
    }));
    const answer = await line.client.request({
      path: pathname + search,
      method: "POST",
      headers: { "user-agent": "director", ...headers, "content-type": "application/json" },
      body,
    });
    // What counts is said by now; an answer that stops half way changes nothing.
    await answer.body.dump({ limit: MOST_ANSWER }).catch(() => {});
    return judged(answer.statusCode);
  } catch (error) {
    if (signal.aborted) return { delivery: { kind: "interrupted" }, again: false };
    return { delivery: failed(late ? `no answer within ${formatDuration(timeout)}` : trouble(error)), again: true };
  } finally {
    disarm();
    signal.removeEventListener("abort", hangUp);
    hangUp();
  }
}

/** One connection, in the making or made. */
interface Line {
  readonly client: Client;
  /** Ends it in any state; whoever waits for an answer gets an error. */
  close(): void;
}

/** undici's own connections cannot be ended before they stand: a packet filter that drops would keep one for two minutes. So they are made here. */
function openLine(Undici: typeof Client, origin: string, security: () => ConnectionOptions): Line {
  const { hostname, port, protocol } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, "");
  let socket: Socket | undefined;
  const client = new Undici(origin, {
    connect(_options, done) {
      try {
        socket =
          protocol === "https:"
            ? connectTls({ host, port: Number(port || 443), servername: isIP(host) === 0 ? host : "", ...security() })
            : connectTcp({ host, port: Number(port || 80) });
      } catch (error) {
        return done(error as Error, null);
      }
      const own = socket;
      own.once(protocol === "https:" ? "secureConnect" : "connect", () => done(null, own));
      own.once("error", (error) => done(error, null));
    },
    // The deadline is ours; undici's timers are coarse.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    client,
    close() {
      client.destroy(new Error("given up"), () => {});
      socket?.destroy();
    },
  };
}

function judged(status: number): Attempt {
  if (status >= 200 && status < 300) return { delivery: { kind: "delivered" }, again: false };
  const redirect = status >= 300 && status < 400 ? " (redirects are not followed)" : "";
  return { delivery: failed(`status ${status}${redirect}`), again: status === 429 || status >= 500 };
}

/** Where a name has several addresses, each failed for itself. */
function trouble(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const { message, code } = first as NodeJS.ErrnoException;
  return firstLine(message || code || String(first));
}

function sleep(clock: Clock, ms: Millis, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
