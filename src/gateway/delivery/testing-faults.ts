import { deepStrictEqual } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Body } from '../backend.js';
import type { DeliveryTarget } from '../target.js';
import { type MemoryBackend, memoryBackend } from '../testing.js';
import { type DeliveryBench, deliveryBench } from './testing.js';

/** A bench whose target and backend fail as a test sets it. */
export interface FaultyBench extends DeliveryBench {
  /** Set by a test: what the target and the backend do instead. */
  readonly faults: Faults;
  /** The target as it is without faults. */
  readonly target: DeliveryTarget;
  states(): Promise<readonly string[]>;
  /** Fails when the ledger does not come to these states in time. */
  settled(expected: readonly string[], timeoutMs?: number): Promise<void>;
  eventsOf(type: string): ReturnType<DeliveryBench['events']>;
}

export interface Faults {
  put?: DeliveryTarget['put'];
  probe?: DeliveryTarget['probe'];
  open?: MemoryBackend['open'];
  check?: MemoryBackend['check'];
}

export async function faultyBench(createTarget: (root: string) => DeliveryTarget): Promise<FaultyBench> {
  const faults: Faults = {};
  const memory = memoryBackend();
  let target!: DeliveryTarget;
  const bench = await deliveryBench({
    backend: {
      ...memory,
      open: (ref, options) => (faults.open ?? memory.open)(ref, options),
      check: () => (faults.check ?? memory.check)(),
    },
    target: (root) => {
      target = createTarget(root);
      return {
        ...target,
        put: (...args) => (faults.put ?? target.put)(...args),
        probe: (...args) => (faults.probe ?? target.probe)(...args),
      };
    },
  });
  const states = async () => (await bench.ledger()).map((row) => row.state);
  return {
    ...bench,
    faults,
    target,
    states,
    async settled(expected, timeoutMs = 30_000) {
      for (const end = Date.now() + timeoutMs; ; await sleep(15)) {
        try {
          return deepStrictEqual(await states(), expected);
        } catch (error) {
          if (Date.now() > end) throw error;
        }
      }
    },
    eventsOf: async (type) => (await bench.events()).filter((event) => event.type === type),
  };
}

export const md5 = (text: string) => ({ algorithm: 'md5' as const, value: createHash('md5').update(text).digest() });

export const textBody = (revision: string, text: string): Body => ({
  revision,
  size: Buffer.byteLength(text),
  claim: null,
  stream: (async function* () {
    yield new TextEncoder().encode(text);
  })(),
});

/** Bodies that send the first half of their text and then nothing more; `begun` when the first of them is read. */
export function stalledBody(revision: string, text: string) {
  let reading: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    reading = resolve;
  });
  const stream = async function* () {
    reading();
    yield new TextEncoder().encode(text.slice(0, Math.ceil(text.length / 2)));
    await new Promise(() => undefined);
  };
  return { begun, open: async (): Promise<Body> => ({ ...textBody(revision, text), stream: stream() }) };
}
