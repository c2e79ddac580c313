import type { Millis } from "../model/time.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long something has lasted, at a glance: `0s`, `59s`, `12m`, `3h12m`, `5d`. Rounded down; what seems to lie in the future is `0s`. */
export function age(ms: Millis): string {
  if (ms >= 2 * DAY) return `${Math.floor(ms / DAY)}d`;
  if (ms >= HOUR) {
    const minutes = Math.floor((ms % HOUR) / MINUTE);
    return `${Math.floor(ms / HOUR)}h${minutes === 0 ? "" : `${minutes}m`}`;
  }
  if (ms >= MINUTE) return `${Math.floor(ms / MINUTE)}m`;
  return `${Math.max(0, Math.floor(ms / SECOND))}s`;
}

/** How long something will still take: `12s`, `1m30s`, `2h5m`. Rounded up, so that it never says 0s too early. */
export function wait(ms: Millis): string {
  const seconds = Math.max(0, Math.ceil(ms / SECOND));
  if (seconds < 60) return `${seconds}s`;
  if (seconds >= 3_600) return age(Math.ceil(seconds / 60) * MINUTE);
  return `${Math.floor(seconds / 60)}m${seconds % 60 === 0 ? "" : `${seconds % 60}s`}`;
}

/** `2026-11-20 10:34:17` by the clock of this place. */
export function dateTime(epochMs: number): string {
  const d = new Date(epochMs);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clockTime(epochMs)}`;
}

/** `10:34:17` by the clock of this place. */
export function clockTime(epochMs: number): string {
  const d = new Date(epochMs);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** A moment that is near, shortly: `12:51`, on another day `11-22 06:00`. */
export function nearTime(epochMs: number, now: number): string {
  const text = dateTime(epochMs).slice(0, -3);
  return text.slice(0, 10) === dateTime(now).slice(0, 10) ? text.slice(11) : text.slice(5);
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** 0 to 1 as `39.6%`, one decimal at most. */
export function percent(share: number): string {
  return `${Math.round(share * 1000) / 10}%`;
}
