import type { DrainStatus, StatusReply } from "../control/shapes.ts";
import type { DirectorEvent } from "../director/events.ts";
import type { Millis } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";
import { difference, isEmpty } from "./delta.ts";
import { drainHistories } from "./drain-history.ts";
import type { DrainMore, Message } from "./pieces.ts";
import { rateHistory } from "./rate-history.ts";
import { type View, viewOf } from "./view.ts";

export interface FeedOptions {
  readonly clock: Clock;
  readonly host: string;
  readonly status: () => StatusReply;
  readonly drains: (wanted: (id: string, running: boolean) => boolean) => readonly DrainStatus[];
  readonly drainMore: (id: string) => DrainMore;
  /** New connections a second, by service. */
  readonly rates: () => Promise<ReadonlyMap<string, number>>;
  readonly eventsAfter: (seq: number) => readonly DirectorEvent[];
  readonly lastSeq: () => number;
  /** Told of what must not happen. */
  readonly onError: (error: unknown) => void;
}

export interface Feed {
  /** As many look on as may. */
  isFull(): boolean;
  /** One more looks on: `write` gets whole messages (text/event-stream) until the returned function is called. */
  join(write: (message: string) => void, end: () => void): () => void;
  /** A pass is over: drains may have moved. */
  passed(): void;
}

/** Of the door's 64 connections half stay free for those who scrape, and for scripts that ask whether a service is up. */
export const MOST_VIEWERS = 32;
/** Whatever changes is sent once a second at most, to everybody in one message that was made once. */
const EVERY_MS: Millis = 1_000;
/** Counts of connections, times of probes and rates: they never stand still. The viewer knows by it that we live, too. */
const SLOWLY_MS: Millis = 5_000;
/** Of the past, for somebody who comes. */
const PAST_EVENTS = 100;

/** What the page lives on: a picture for each who comes, then what changes. Nothing is done while nobody looks, but for the shares of drains
 *  under way. */
export function createFeed(options: FeedOptions): Feed {
  const { clock, status, onError } = options;
  const viewers = new Map<object, { readonly write: (message: string) => void; readonly end: () => void }>();
  const histories = drainHistories();
  const rates = rateHistory();
  let sent: View = new Map();
  let sentSeq = 0;
  let whole: string | undefined;
  let slowlyAt = Number.NEGATIVE_INFINITY;
  let asking = false;
  let disarm = () => {};

  function look(): { readonly view: View; readonly now: number } {
    const seen = status();
    histories.take(seen.drains, seen.now);
    histories.keep(new Set(seen.drains.map(({ id }) => id)));
    const { host, drainMore } = options;
    return { view: viewOf({ host, status: seen, drainMore, history: histories.of }), now: seen.now };
  }

  function begin(): void {
    const { view } = look();
    sent = difference(new Map(), view, true).sent;
    sentSeq = options.lastSeq();
    whole = undefined;
    slowlyAt = clock.now().mono;
    askRates();
    disarm = clock.after(EVERY_MS, turn);
  }

  function turn(): void {
    disarm = clock.after(EVERY_MS, turn);
    try {
      tell();
    } catch (error) {
      onError(error);
      // They come again, by and by.
      for (const { end } of [...viewers.values()]) end();
    }
  }

  function tell(): void {
    const slowly = clock.now().mono - slowlyAt >= SLOWLY_MS;
    if (slowly) {
      slowlyAt = clock.now().mono;
      askRates();
    }
    const { view, now } = look();
    const change = difference(sent, view, slowly);
    const events = options.eventsAfter(sentSeq);
    const rate = rates.news();
    if (!slowly && isEmpty(change.delta) && events.length === 0 && rate === undefined) return;
    sent = change.sent;
    sentSeq = events.at(-1)?.seq ?? sentSeq;
    whole = undefined;
    const message = framed({ now, ...change.delta, events, rate });
    for (const { write } of viewers.values()) write(message);
  }

  /** Everything that the others have by now. */
  function picture(): string {
    whole ??= framed({
      now: clock.now().epoch,
      whole: true,
      set: Object.fromEntries(sent) as Message["set"],
      gone: [],
      // Numbers have gaps where many were folded into one.
      events: options
        .eventsAfter(0)
        .filter(({ seq }) => seq <= sentSeq)
        .slice(-PAST_EVENTS),
      rates: rates.all(),
    });
    return whole;
  }

  function askRates(): void {
    if (asking) return;
    asking = true;
    options
      .rates()
      .then((seen) => rates.take(seen, clock.now().epoch), onError)
      .finally(() => {
        asking = false;
      });
  }

  return {
    isFull: () => viewers.size >= MOST_VIEWERS,
    join(write, end) {
      if (viewers.size === 0) begin();
      const viewer = {};
      viewers.set(viewer, { write, end });
      write(picture());
      return () => {
        viewers.delete(viewer);
        if (viewers.size === 0) disarm();
      };
    },
    passed: () => histories.take(options.drains(histories.wants), clock.now().epoch),
  };
}

/** JSON has no line ends outside of its strings, and none inside. */
function framed(message: Message): string {
  return `data: ${JSON.stringify(message)}\n\n`;
}
