import { describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/api.js';
import type { StandingOrder } from '../../mpd/index.js';
import { orderHandlers } from './orders.js';

const order = (orderID: bigint | null): StandingOrder => ({
  ...{ orderID, user: 'jane', productFilter: null, validityPeriod: null, deliverTo: null, comments: null },
  deliveryMethod: 'SERVICE_COMPLETE',
});
const principal = { id: 'op', role: 'operator', policy: null } as const;

describe('listStandingOrders', () => {
  it('shows the orders here, then what stands behind the gateway without one, both as asked for', async () => {
    const asked: unknown[] = [];
    const orders = {
      list: async (query: object, who: unknown) => {
        asked.push(query, who);
        return [{ order: order(1n) }];
      },
      foreign: (query: object, who: unknown) => {
        asked.push(query, who);
        return [order(null)];
      },
    } as unknown as Gateway['orders'];
    const capabilities = { listStandingOrders: true, manageStandingOrders: false } as never;
    const { listStandingOrders } = orderHandlers({ orders }, { capabilities, namedFilters: false });
    const query = { user: 'jane', domain: ['esa', '*'] };
    const call = { principal: { principal } } as unknown as Parameters<NonNullable<typeof listStandingOrders>>[1];
    expect(await listStandingOrders!(query, call)).toEqual({ standingOrders: [order(1n), order(null)] });
    expect(asked).toEqual([query, principal, query, principal]);
  });
});
