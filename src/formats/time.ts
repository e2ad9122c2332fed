/** Time as text in files: nanoseconds since 1970 UTC on our side. */

const PATTERN =
  /^(\d{4})-(?:(\d{2})-(\d{2})|(\d{3}))(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,18}))?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/;

/**
 * A calendar (`2021-08-20T11:52:01.5`) or ordinal (`2021-232`) date with or without time, digits beyond the nanosecond
 * dropped. No zone means UTC. Null when it is no such time.
 */
export function parseTime(text: string): bigint | null {
  const match = PATTERN.exec(text.trim());
  if (match === null) return null;
  const [, year, month, day, ordinal, hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = match;
  if (Number(hour) > 24 || Number(minute) > 59 || Number(second) > 60) return null;
  const date =
    ordinal === undefined
      ? calendarDay(Number(year), Number(month), Number(day))
      : ordinalDay(Number(year), Number(ordinal));
  if (date === null) return null;
  const seconds = BigInt(Number(hour) * 3600 + Number(minute) * 60 + Number(second) - zoneSeconds(zone));
  const nanoseconds = BigInt(fraction.padEnd(9, '0').slice(0, 9));
  return BigInt(date) * 1_000_000n + seconds * 1_000_000_000n + nanoseconds;
}

/** `2020-05-18T08:11:57.355586`: six decimals, digits below dropped, no zone mark. */
export function formatMicros(time: bigint): string {
  const micros = floorDiv(time, 1000n);
  const seconds = floorDiv(micros, 1_000_000n);
  const fraction = (micros - seconds * 1_000_000n).toString().padStart(6, '0');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction}`;
}

/** `2020-05-18T08:11:57.355Z`. */
export function formatMillis(time: bigint): string {
  return new Date(Number(floorDiv(time, 1_000_000n))).toISOString();
}

export function floorDiv(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}

function calendarDay(year: number, month: number, day: number): number | null {
  const date = new Date(Date.UTC(year, month - 1, day));
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : null;
}

function ordinalDay(year: number, day: number): number | null {
  const date = new Date(0);
  date.setUTCFullYear(year, 0, day);
  return day >= 1 && date.getUTCFullYear() === year ? date.getTime() : null;
}

function zoneSeconds(zone: string): number {
  if (zone === 'Z') return 0;
  const sign = zone[0] === '-' ? -1 : 1;
  return sign * (Number(zone.slice(1, 3)) * 3600 + Number(zone.slice(-2)) * 60);
}
