import { describe, expect, it } from 'vitest';
import { MalString, malArea, NamedValue } from './area.js';
import { createGrammar, ENCODINGS, type Encoding } from './encoding/index.js';
import { encodeBody, encodeLongBody, isLong } from './message.js';
import { createPace } from './pace.js';
import { body, createRegistry, list, nullable } from './schema/index.js';
import type { Attribute } from './types/index.js';

const TYPE = body({
  title: MalString,
  values: list(NamedValue),
  more: nullable(list(NamedValue)),
  end: nullable(MalString),
});
const grammar = createGrammar(createRegistry([malArea]));
const values = (count: number): { readonly name: string; readonly value: Attribute | null }[] =>
  Array.from({ length: count }, (_, i) => ({
    name: `n${i}`,
    value: i % 3 === 0 ? null : { type: 'Long', value: BigInt(i) },
  }));
const bytes = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString('hex');

describe.each(Object.values(ENCODINGS))('a long body in $name', (encoding: Encoding) => {
  it.each([
    [0, null],
    [1, null],
    [127, 129],
    [128, 0],
    [10_000, 300],
  ])('is the same bytes written in turns: %s and %s entries', async (count, more) => {
    const value = { title: 't', values: values(count), more: more === null ? null : values(more), end: null };
    expect(bytes(await encodeLongBody(grammar, encoding, TYPE, value))).toBe(
      bytes(encodeBody(grammar, encoding, TYPE, value)),
    );
  });

  it('fails as a short one does', async () => {
    const wrong = { title: 't', values: values(600), more: null, end: null };
    wrong.values[599] = { name: 'x', value: { type: 'Long', value: 2n ** 63n } };
    const whole = (): unknown => encodeBody(grammar, encoding, TYPE, wrong);
    expect(whole).toThrow('values[599].value');
    const message = await encodeLongBody(grammar, encoding, TYPE, wrong).catch((error: Error) => error.message);
    expect(whole).toThrow(message as string);
    const none = { ...wrong, values: null } as never;
    await expect(encodeLongBody(grammar, encoding, TYPE, none)).rejects.toThrow('values: must not be null');
  });
});

it('bodies are long by the entries of their lists', () => {
  const value = { title: 't'.repeat(10_000), values: values(10), more: null, end: null };
  expect(isLong(TYPE, value)).toBe(false);
  expect(isLong(TYPE, { ...value, values: values(1000) })).toBe(true);
  expect(isLong(TYPE, { ...value, more: values(1000) })).toBe(true);
});

it('a pace lets other work go first, and begins anew', async () => {
  const pace = createPace(5);
  expect(pace.over()).toBe(false);
  const end = performance.now() + 6;
  while (performance.now() < end);
  expect(pace.over()).toBe(true);
  let other = false;
  setImmediate(() => (other = true));
  await pace.rest();
  expect(other).toBe(true);
});
