import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareFileNames,
  formatDayTime,
  formatFileName,
  formatRequestId,
  parseDayTime,
  parseFileName,
  parseRequestId,
} from './names.js';

const ms = (text: string) => BigInt(Date.parse(text)) * 1_000_000n;

describe('names of EDDS', () => {
  it('as met in the wild', () => {
    expect(parseRequestId('StreamRequest.PktTmStream.SOL.0.2020.097.08.17.50.471.DzzP')).toEqual({
      text: 'StreamRequest.PktTmStream.SOL.0.2020.097.08.17.50.471.DzzP',
      kind: 'StreamRequest',
      type: 'PktTmStream',
      domain: 'SOL',
      number: 0,
      submittedAt: ms('2020-04-06T08:17:50.471Z'),
      letters: 'DzzP',
    });
    expect(
      parseFileName('IX4.DAY2.BatchRequest.PktTmRaw.SOL.0.2020.140.11.55.36.842.yzKB@2020.140.11.55.37.803.1.xml'),
    ).toMatchObject({
      prefix: 'IX4.DAY2.',
      requestId: { text: 'BatchRequest.PktTmRaw.SOL.0.2020.140.11.55.36.842.yzKB', kind: 'BatchRequest' },
      madeAt: ms('2020-05-19T11:55:37.803Z'),
      part: 1,
      extension: 'xml',
    });
  });

  it('the rightmost id counts when the prefix looks like one', () => {
    const id = 'BatchRequest.Param.BC.0.2024.366.23.59.59.999.abCD';
    const name = `${id}.${id}@2025.001.00.00.00.000.12.xml.zip`;
    expect(parseFileName(name)).toMatchObject({
      prefix: `${id}.`,
      requestId: { text: id },
      part: 12,
      extension: 'xml.zip',
    });
  });

  it.each([
    '',
    'a.xml',
    'BatchRequest.PktTmRaw.SOL.0.2020.295.15.15.01.857.eJeU',
    'BatchRequest.PktTmRaw.SOL.0.2020.295.15.15.01.857.eJe1@2020.295.15.15.03.463.1.xml',
    'BatchRequest.PktTmRaw.SOL.0.2019.366.15.15.01.857.eJeU@2020.295.15.15.03.463.1.xml',
    'x/BatchRequest.PktTmRaw.SOL.0.2020.295.15.15.01.857.eJeU@2020.295.15.15.03.463.1.xml',
  ])('other names are not taken: %s', (name) => expect(parseFileName(name)).toBeNull());

  it('come back from their parts', () => {
    const time = fc.bigInt({ min: 0n, max: 4_000_000_000_000n }).map((value) => value * 1_000_000n);
    fc.assert(
      fc.property(
        time,
        time,
        fc.integer({ min: 1, max: 999_999 }),
        fc.stringMatching(/^[A-Za-z]{4}$/),
        fc.stringMatching(/^[\w.-]{0,20}$/),
        (submittedAt, madeAt, part, letters, prefix) => {
          const id = formatRequestId({
            kind: 'BatchRequest',
            type: 'PktTmRaw',
            domain: 'SOL',
            number: 0,
            submittedAt,
            letters,
          });
          expect(parseRequestId(id)).toMatchObject({ submittedAt, letters, text: id });
          const name = formatFileName({ prefix, requestId: id, madeAt, part, extension: 'xml' });
          expect(parseFileName(name)).toMatchObject({
            prefix,
            madeAt,
            part,
            extension: 'xml',
            requestId: { text: id },
          });
          expect(parseDayTime(formatDayTime(madeAt))).toBe(madeAt);
        },
      ),
    );
  });

  it('order parts as numbers, runs by time', () => {
    const names = ['2020.140.11.55.37.803.10', '2020.140.11.55.37.803.2', '2020.139.11.55.37.803.11'].map(
      (end) => parseFileName(`BatchRequest.PktTmRaw.SOL.0.2020.138.11.55.36.842.yzKB@${end}.xml`)!,
    );
    expect(names.sort(compareFileNames).map(({ part }) => part)).toEqual([11, 2, 10]);
  });

  it('do not take long on long names', () => {
    expect(parseFileName('BatchRequest.'.repeat(70))).toBeNull();
    expect(parseFileName('B'.repeat(100_000))).toBeNull();
  });
});
