import { describe, expect, it } from 'vitest';
import type { Gateway } from './api.js';
import { withCapabilities } from './capabilities.js';

const all = {
  listProducts: true,
  getProducts: true,
  deliverProductFiles: true,
  listStandingOrders: true,
  manageStandingOrders: true,
};
const answer = async () => 'answered';
const gateway = {
  catalogue: { list: answer, listBounded: answer, listAll: answer, open: answer, get: answer, folders: answer },
  orders: { list: answer, submit: answer, cancel: answer, get: answer },
  deliveries: { deliverFiles: answer, list: answer },
} as unknown as Gateway;

describe('capability sets that are switched off', () => {
  it.each([
    ['listProducts', (g: Gateway) => g.catalogue.list(null as never, null as never, null as never)],
    ['listProducts', (g: Gateway) => g.catalogue.folders('', null as never, null as never)],
    ['getProducts', (g: Gateway) => g.catalogue.open(null as never, null as never, null as never)],
    ['deliverProductFiles', (g: Gateway) => g.deliveries.deliverFiles([], '', null as never, null as never)],
    ['listStandingOrders', (g: Gateway) => g.orders.list(null as never, null as never)],
    ['manageStandingOrders', (g: Gateway) => g.orders.submit(null as never, null as never)],
    ['manageStandingOrders', (g: Gateway) => g.orders.cancel(1n, null as never)],
  ] as const)('%s: Unsupported Operation, the others go on', async (set, call) => {
    await expect(call(withCapabilities(gateway, { ...all, [set]: false }))).rejects.toMatchObject({
      code: 'Unsupported Operation',
    });
    expect(await call(withCapabilities(gateway, all))).toBe('answered');
    for (const other of Object.keys(all).filter((name) => name !== set))
      expect(await call(withCapabilities(gateway, { ...all, [other]: false }))).toBe('answered');
  });
});
