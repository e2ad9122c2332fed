import { describe, expect, it } from 'vitest';
import type { Channel } from '../message.js';
import { createSignals } from './signals.js';

function fakeChannel(): { readonly channel: Channel; close(): void; readonly listeners: number } {
  const listeners = new Set<() => void>();
  const onClose = (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    channel: { onClose } as unknown as Channel,
    close: () => {
      for (const listener of [...listeners]) listener();
    },
    get listeners() {
      return listeners.size;
    },
  };
}

describe('signals of interactions', () => {
  it('abort when their connection closes, and only then', () => {
    const signals = createSignals();
    const [a, b] = [fakeChannel(), fakeChannel()];
    const one = signals.take(a.channel).signal;
    const other = signals.take(b.channel).signal;
    a.close();
    expect([one.aborted, other.aborted]).toEqual([true, false]);
    expect(one.reason).toMatchObject({ message: expect.stringMatching('consumer is gone') });
  });

  it('abort when the provider ends, also those taken later', () => {
    const signals = createSignals();
    const { channel } = fakeChannel();
    const before = signals.take(channel).signal;
    signals.end('over');
    expect([before.aborted, before.reason]).toEqual([true, 'over']);
    expect(signals.take(fakeChannel().channel).signal.aborted).toBe(true);
    expect(signals.take(channel).signal.aborted).toBe(true);
  });

  it('are replaced after some uses, and let go of once nobody looks at them', () => {
    const signals = createSignals();
    const fake = fakeChannel();
    const held = signals.take(fake.channel);
    const seen = new Set<AbortSignal>([held.signal]);
    for (let i = 0; i < 1000; i++) {
      const { signal, release } = signals.take(fake.channel);
      seen.add(signal);
      release();
    }
    expect(seen.size).toBeGreaterThan(10);
    expect(fake.listeners).toBe(2);
    held.release();
    expect(fake.listeners).toBe(1);
    fake.close();
    expect(held.signal.aborted).toBe(false);
  });
});
