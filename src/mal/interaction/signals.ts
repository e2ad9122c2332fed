import { setMaxListeners } from 'node:events';
import { malError } from '../errors.js';
import type { Channel } from '../message.js';

/** Interactions that share one signal: making one costs more than the rest of a small request does. */
const USES = 64;

export interface Signals {
  /** A signal that aborts when the channel closes or the provider ends interactions; `release` once it is not looked at any more. */
  take(channel: Channel): { readonly signal: AbortSignal; readonly release: () => void };
  /** Aborts all there are, and those still to come. */
  end(reason: unknown): void;
}

interface Shared {
  readonly control: AbortController;
  uses: number;
  users: number;
  forget: () => void;
}

/**
 * Signals of interactions by connection. After some uses a connection gets a new one, so that whatever handlers leave hanging on a
 * signal goes with it.
 */
export function createSignals(): Signals {
  const current = new WeakMap<Channel, Shared>();
  const all = new Set<Shared>();
  let ended: { readonly reason: unknown } | null = null;

  function create(channel: Channel): Shared {
    const control = new AbortController();
    setMaxListeners(0, control.signal);
    const shared: Shared = { control, uses: 0, users: 0, forget: () => {} };
    all.add(shared);
    const stopListening = channel.onClose(() => {
      all.delete(shared);
      control.abort(malError('Destination Lost', 'the consumer is gone'));
    });
    shared.forget = () => {
      all.delete(shared);
      stopListening();
    };
    if (ended !== null) control.abort(ended.reason);
    return shared;
  }

  function replace(channel: Channel, before: Shared | undefined): Shared {
    const shared = create(channel);
    current.set(channel, shared);
    if (before?.users === 0) before.forget();
    return shared;
  }

  return {
    take(channel) {
      const known = current.get(channel);
      const shared = known === undefined || known.uses === USES ? replace(channel, known) : known;
      shared.uses++;
      shared.users++;
      return {
        signal: shared.control.signal,
        release() {
          if (--shared.users === 0 && current.get(channel) !== shared) shared.forget();
        },
      };
    },
    end(reason) {
      ended = { reason };
      for (const { control } of [...all]) control.abort(reason);
    },
  };
}
