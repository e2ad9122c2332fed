import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { DeliveryTarget, SourceBody } from '../../../src/gateway/target.js';
import { MpdError } from '../../../src/mpd/index.js';

export const DEFAULTS = { verify: 'readback', overwrite: true, deliveryId: 'store1-42', epoch: 1 } as const;

export const STAT = (checksum = false): Parameters<DeliveryTarget['stat']>[2] => ({
  checksum,
  signal: new AbortController().signal,
});

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export function body(
  content: Uint8Array,
  options: { readonly size?: number | null; readonly chunk?: number } = {},
): SourceBody {
  return {
    size: options.size === undefined ? content.length : options.size,
    stream: chunks(content, options.chunk ?? 64 * 1024),
  };
}

export async function* chunks(content: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

export async function* failAfter(content: Uint8Array, at: number, error: Error): AsyncGenerator<Uint8Array> {
  yield* chunks(content.subarray(0, at), 64 * 1024);
  throw error;
}

/** Content that stops at `at` bytes until opened; `reached` when the reader asks for more there. */
export function gated(content: Uint8Array, at: number) {
  const reached = deferred();
  const opened = deferred();
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield* chunks(content.subarray(0, at), 10_000);
    reached.resolve();
    await opened.promise;
    yield* chunks(content.subarray(at), 10_000);
  }
  return { stream: stream(), reached: reached.promise, open: opened.resolve };
}

function deferred() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

export async function expectClass(work: Promise<unknown>, expected: MpdError['class'], reason?: RegExp): Promise<void> {
  const error = await work.then(
    () => null,
    (fault) => fault,
  );
  expect(error).toBeInstanceOf(MpdError);
  expect(error).toMatchObject({ class: expected });
  if (reason !== undefined) expect(error.message).toMatch(reason);
}
