import { describe, expect, it } from 'vitest';
import {
  deliveryFailed,
  internal,
  invalid,
  MpdError,
  OrderManagement,
  orderFailed,
  ProductRetrieval,
  tooMany,
  unknown,
} from '../../mpd/index.js';
import { malErrorOf } from './errors.js';

const { listProducts, getProducts, deliverProductFiles } = ProductRetrieval.operations;
const { submitStandingOrder, cancelStandingOrder, listStandingOrders } = OrderManagement.operations;

describe('errors of the gateway over MAL', () => {
  it.each([
    [invalid('creationDate', 'ends early'), listProducts, 1, 'creationDate: ends early'],
    [invalid('deliverTo', 'is missing'), submitStandingOrder, 1, 'deliverTo: is missing'],
    [deliveryFailed('no such host'), deliverProductFiles, 2, 'no such host'],
    [orderFailed('not allowed'), submitStandingOrder, 3, 'not allowed'],
    [unknown([0, 2], 'two are unknown'), getProducts, 4, [0, 2]],
    [unknown([1], 'one is unknown'), deliverProductFiles, 4, [1]],
    [unknown(7n, 'no order 7'), cancelStandingOrder, 4, 7n],
    [tooMany(10), listProducts, 5, 'more than 10 entries found, the limit is 10'],
    [new MpdError('Authorisation Fail', { class: 'refuse', message: 'no' }), listStandingOrders, 65543, 'no'],
    [new MpdError('Destination Transient', { class: 'target-down', message: 'down' }), listProducts, 65540, 'down'],
  ])('%s of $name', (error, operation, number, extraInformation) => {
    expect(malErrorOf(error, operation)).toMatchObject({ number, extraInformation });
  });

  it('carry text where the extra information is not of the declared type', () => {
    expect(malErrorOf(unknown('gap', 'the cursor is old'), getProducts)).toMatchObject({
      number: 4,
      extraInformation: 'the cursor is old',
    });
  });

  it('say nothing of what went wrong inside', () => {
    const error = malErrorOf(internal(new Error('secret at line 7')), listProducts);
    expect(error).toMatchObject({ number: 65550, extraInformation: 'internal error' });
    expect(JSON.stringify(error)).not.toContain('secret');
    expect(malErrorOf(new TypeError('x is undefined'), listProducts)).toBeNull();
  });
});
