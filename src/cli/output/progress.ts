import { humanSeconds, humanSize } from './human.js';

/** Shows how far a transfer is, on standard error; nothing when that is no terminal. */
export interface Progress {
  /** Bytes so far, of the whole. */
  at(bytes: number): void;
  done(): void;
}

export interface ProgressOptions {
  readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly label: string;
  /** null = unknown. */
  readonly total: number | null;
  /** Bytes that were there before. */
  readonly start?: number;
  readonly now?: () => number;
}

const INTERVAL_MS = 100;
const AVERAGED_MS = 10_000;

export function createProgress({
  stream,
  label,
  total,
  start = 0,
  now = () => performance.now(),
}: ProgressOptions): Progress {
  if (stream.isTTY !== true) return { at: () => undefined, done: () => undefined };
  const samples: { time: number; bytes: number }[] = [{ time: now(), bytes: start }];
  let shown = Number.NEGATIVE_INFINITY;
  let last = start;
  const show = (): void => {
    stream.write(
      `\r\x1b[K${progressLine({ label, total, bytes: last, rate: rateOf(samples), columns: stream.columns ?? 80 })}`,
    );
  };
  return {
    at(bytes) {
      last = bytes;
      const time = now();
      if (time - shown < INTERVAL_MS) return;
      shown = time;
      samples.push({ time, bytes });
      while (samples.length > 2 && time - samples[0]!.time > AVERAGED_MS) samples.shift();
      show();
    },
    done() {
      samples.push({ time: now(), bytes: last });
      show();
      stream.write('\n');
    },
  };
}

/** Bytes a second over the samples; null before there are two. */
function rateOf(samples: readonly { readonly time: number; readonly bytes: number }[]): number | null {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  return last.time > first.time ? ((last.bytes - first.bytes) * 1000) / (last.time - first.time) : null;
}

/** `name  [#####-----]  50%  5.0 MiB of 10.0 MiB  2.5 MiB/s  0:02 left`, cut to the terminal. */
export function progressLine(state: {
  readonly label: string;
  readonly total: number | null;
  readonly bytes: number;
  readonly rate: number | null;
  readonly columns: number;
}): string {
  const { label, total, bytes, rate, columns } = state;
  const amount = total === null ? humanSize(bytes) : `${humanSize(bytes)} of ${humanSize(total)}`;
  const speed = rate === null ? '' : `${humanSize(Math.round(rate))}/s`;
  const left = total === null || !rate ? '' : `${humanSeconds((total - bytes) / rate)} left`;
  const fraction = total === null ? null : total === 0 ? 1 : Math.min(1, bytes / total);
  const percent = fraction === null ? '' : `${Math.floor(fraction * 100)}%`.padStart(4);
  const rest = [percent, amount, speed, left].filter((part) => part !== '').join('  ');
  const room = columns - rest.length - 5;
  const name = label.length <= room - 14 ? label : `…${label.slice(-Math.max(8, room - 15))}`;
  const cells = Math.min(24, room - name.length - 2);
  const bar =
    fraction === null || cells < 5 ? '' : `  [${'#'.repeat(Math.round(fraction * cells)).padEnd(cells, '-')}]`;
  return `${name}${bar}  ${rest}`.slice(0, Math.max(20, columns - 1));
}
