import { formatTime, MAX_TIME, MIN_TIME } from '../../mal/index.js';
import type { TimeWindow } from '../../mpd/index.js';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1.4 MiB` */
export function humanSize(bytes: number | bigint | null | undefined): string | null {
  if (bytes === null || bytes === undefined) return null;
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `2026-11-23 13:05:02` UTC; null stays null. */
export const humanTime = (ns: bigint | null | undefined): string | null =>
  ns === null || ns === undefined
    ? null
    : formatTime(ns - (ns % 1_000_000_000n))
        .replace('T', ' ')
        .replace(/(\.\d+)?Z$/, '');

export function humanWindow(window: TimeWindow | null): string | null {
  if (window === null) return null;
  const start = window.start === MIN_TIME ? '' : humanTime(window.start);
  const end = window.end === MAX_TIME ? '' : humanTime(window.end);
  return `${start} … ${end}`.trim();
}

/** `1:05` or `2:03:20`. */
export function humanSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** `3 products`, `1 product`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
