import { describe, expect, it } from 'vitest';
import { MalError, malError } from '../mal/index.js';
import { deliveryFailed, internal, invalid, MpdError, orderFailed, tooMany, unknown } from './errors.js';
import { fromMalError, toMalError } from './mal-errors.js';

describe('MPD errors over MAL', () => {
  it.each([
    [invalid('productFilter.domain[1]', 'bad'), 1],
    [deliveryFailed('no such host'), 2],
    [orderFailed('no such scheme'), 3],
    [unknown([0, 2], 'two are unknown'), 4],
    [unknown(7n, 'no order 7'), 4],
    [tooMany(10), 5],
    [internal(new Error('secret')), 65550],
    [new MpdError('Authorisation Fail', { class: 'refuse', message: 'no' }), 65543],
    [new MpdError('Unsupported Operation', { class: 'refuse', message: 'no' }), 65548],
  ])('%s is number %i, and is understood at the other end', (error, number) => {
    const sent = toMalError(error);
    expect(sent.number).toBe(number);
    const received = fromMalError(new MalError(sent.number, 'name', { extraInformation: sent.extraInformation }));
    expect([received.code, received.extraInformation, received.field]).toEqual([
      error.code,
      error.extraInformation,
      error.field,
    ]);
    expect(String(sent.extraInformation)).not.toContain('secret');
  });

  it('tell what can be done about them', () => {
    expect(fromMalError(malError('Destination Lost', 'gone')).class).toBe('retry');
    expect(fromMalError(malError('Destination Unknown', 'who')).class).toBe('target-down');
    expect(fromMalError(malError('Bad Encoding', 'what')).class).toBe('refuse');
    expect(fromMalError(new MalError(5, 'Too Many')).class).toBe('refuse');
    expect(fromMalError(new MalError(99, 'error 99')).code).toBe('Internal');
  });
});
