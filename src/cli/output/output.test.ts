import { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_TIME, MIN_TIME, parseTime } from '../../mal/index.js';
import { humanSeconds, humanSize, humanTime, humanWindow } from './human.js';
import { createProgress, progressLine } from './progress.js';
import { type Column, harmless, MEASURED, tableLines, width } from './table.js';

const columns: readonly Column<readonly [string, number | null]>[] = [
  { head: 'NAME', text: ([name]) => name },
  { head: 'SIZE', text: ([, size]) => size, align: 'right' },
];
async function lines(rows: readonly (readonly [string, number | null])[]): Promise<string[]> {
  const found: string[] = [];
  for await (const line of tableLines(rows, columns)) found.push(line);
  return found;
}

/** Keeps what is written to it. */
function sink(chunks: string[]): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
}

describe('tables', () => {
  it('align, right where asked, with - for nothing', async () => {
    expect(
      await lines([
        ['a', 1],
        ['longer', 20_000],
        ['', null],
      ]),
    ).toEqual(['NAME     SIZE', 'a           1', 'longer  20000', '-           -']);
  });

  it('give two columns to CJK', async () => {
    expect(width('数据')).toBe(4);
    expect(
      await lines([
        ['数据', 1],
        ['abcd', 2],
      ]),
    ).toEqual(['NAME  SIZE', '数据     1', 'abcd     2']);
  });

  it('are nothing without rows', async () => expect(await lines([])).toEqual([]));

  it('do not hold more rows than they measure', async () => {
    let made = 0;
    async function* rows() {
      for (; made < 100_000; made++) yield ['x', made] as const;
    }
    let read = 0;
    for await (const line of tableLines(rows(), columns)) {
      read++;
      expect(made - read).toBeLessThanOrEqual(MEASURED);
      if (line.length === 0 || read === 2000) break;
    }
    expect(read).toBe(2000);
  });

  it('never pass on what a terminal obeys', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        (text) => !/\p{Cc}|[\u202a-\u202e\u2066-\u2069]/u.test(harmless(text)),
      ),
    );
    expect(harmless('\x1b[2Jboo')).toBe('\\x1b[2Jboo');
  });
});

describe('values for people', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [2n ** 40n, '1.0 TiB'],
    [null, null],
  ])('%s bytes', (bytes, text) => expect(humanSize(bytes)).toBe(text));
  it.each([
    [5, '0:05'],
    [65, '1:05'],
    [7400, '2:03:20'],
  ])('%s seconds', (seconds, text) => expect(humanSeconds(seconds)).toBe(text));
  it('times are UTC to the second; open ends of a window are left out', () => {
    const at = parseTime('2026-11-23T13:05:02.123456789Z');
    expect(humanTime(at)).toBe('2026-11-23 13:05:02');
    expect(humanWindow({ start: at, end: MAX_TIME })).toBe('2026-11-23 13:05:02 …');
    expect(humanWindow({ start: MIN_TIME, end: at })).toBe('… 2026-11-23 13:05:02');
  });
});

describe('progress', () => {
  const base = { label: 'a.dat', total: 10 * 2 ** 20, bytes: 5 * 2 ** 20, rate: 2.5 * 2 ** 20, columns: 100 };
  it('shows part, amount, rate and time left', () => {
    expect(progressLine(base)).toBe(
      'a.dat  [############------------]   50%  5.0 MiB of 10.0 MiB  2.5 MiB/s  0:02 left',
    );
  });
  it('does without what is not known', () =>
    expect(progressLine({ ...base, total: null, rate: null })).toBe('a.dat  5.0 MiB'));
  it('fits the terminal, whatever the name', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 300 }),
        fc.integer({ min: 40, max: 200 }),
        fc.nat(),
        (label, wide, bytes) =>
          progressLine({ label, total: 10 * 2 ** 30, bytes, rate: 123_456, columns: wide }).length < wide,
      ),
    );
  });
  it('draws on a terminal only, not more often than ten times a second, and ends with the whole', () => {
    const chunks: string[] = [];
    const stream = Object.assign(sink(chunks), { isTTY: true, columns: 80 });
    let time = 0;
    const progress = createProgress({ stream, label: 'x', total: 1000, now: () => time });
    for (let bytes = 0; bytes <= 1000; bytes++, time += 1) progress.at(bytes);
    progress.done();
    expect(chunks.length).toBeLessThan(15);
    expect(chunks.at(-2)).toContain('100%');
    const quiet: string[] = [];
    createProgress({
      stream: sink(quiet),
      label: 'x',
      total: 1,
    }).done();
    expect(quiet).toEqual([]);
  });
});
