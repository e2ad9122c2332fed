import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { UpstreamStatus } from '../backend.js';
import { createBackends } from '../backends.js';
import { memoryBackend } from '../testing.js';
import { createForeignOrders } from './foreign.js';

const status = (id: string, orderId: bigint | null, details = {}): UpstreamStatus => ({
  ...{ id, orderId, details },
  state: 'ACTIVE',
});

describe('orders of others at the systems behind the gateway', () => {
  let there: readonly UpstreamStatus[] | null = [];
  const upstream = {
    ensure: async () => '',
    cancel: async () => {},
    status: async (id: string) => status(id, null),
    async list() {
      if (there === null) throw new Error('down');
      return there;
    },
  };
  const foreign = createForeignOrders(createBackends([{ ...memoryBackend(), upstream }]), pino({ level: 'silent' }));
  const all = { user: null, domain: null };

  it('are listed without an id and said to be read-only; those with an order here are not', async () => {
    there = [status('job-1', null), status('job-2', 7n), status('job-3', null, { User: 'flight' })];
    expect(foreign.list(all)).toEqual([]);
    await foreign.refresh();
    expect(foreign.list(all)).toMatchObject([
      { orderID: null, user: 'memory', comments: 'read-only: job-1 at memory, made for no order here; ACTIVE' },
      { orderID: null, user: 'flight' },
    ]);
  });

  it('are filtered by user and domain as orders are', () => {
    expect(foreign.list({ user: 'flight', domain: null }).map(({ user }) => user)).toEqual(['flight']);
    expect(foreign.list({ user: '*', domain: ['test', '*'] })).toHaveLength(2);
    expect(foreign.list({ user: null, domain: ['other'] })).toEqual([]);
  });

  it('stay as they were told last while a system does not answer', async () => {
    there = null;
    await foreign.refresh();
    expect(foreign.list(all)).toHaveLength(2);
    there = [];
    await foreign.refresh();
    expect(foreign.list(all)).toEqual([]);
  });
});
