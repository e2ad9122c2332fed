import { deliveryFailed } from '../../mpd/index.js';

/** Breaks a transfer off when nothing moves for too long. */
export interface StallWatch {
  readonly signal: AbortSignal;
  /** Something moved. */
  touch(): void;
  /** Silence from now on may last as long as reading so many bytes at 1 MiB/s, and `stallMs` more. */
  allow(bytes: number): void;
  end(): void;
}

export function watchStall(stallMs: number): StallWatch {
  const controller = new AbortController();
  const expire = (ms: number): void =>
    controller.abort(deliveryFailed(`nothing moved for ${Math.round(ms / 1000)} s`, 'retry'));
  let timer = setTimeout(() => expire(stallMs), stallMs);
  return {
    signal: controller.signal,
    touch: () => void timer.refresh(),
    allow(bytes) {
      clearTimeout(timer);
      const ms = stallMs + bytes / 1048.576;
      timer = setTimeout(() => expire(ms), ms);
    },
    end: () => clearTimeout(timer),
  };
}
