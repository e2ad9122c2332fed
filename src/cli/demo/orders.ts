import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { connect, connectHttp } from '../../client/index.js';
import type { Started } from '../../main.js';
import type { AttributeFilter, StandingOrder } from '../../mpd/index.js';
import { DOMAIN, EDDS_DOMAIN, type Workspace } from './workspace.js';

/** A standing order of the demo. */
export interface DemoOrder {
  readonly order: bigint;
  readonly backend: 'archive' | 'edds';
  /** How it was placed. */
  readonly over: 'http' | 'maltcp';
  /** Where it delivers to. */
  readonly delivered: string;
  readonly what: string;
}

interface Wish extends Omit<DemoOrder, 'order'> {
  readonly comments: string;
  readonly attributeFilter: readonly AttributeFilter[] | null;
}

const apid = (value: number): readonly AttributeFilter[] => [
  { type: 'ValueSet', name: 'apid', include: true, values: [{ type: 'UShort', value }] },
];

/** Orders of an earlier demo in the same folder, else new ones: what is in the archive and comes, and two streams of EDDS. */
export async function demoOrders(started: Started, workspace: Workspace, key: string): Promise<readonly DemoOrder[]> {
  const { gateway, urls } = started;
  const principal = await gateway.access.principal('operator');
  const earlier = await gateway.orders.list({ user: 'operator', domain: null, states: ['active'] }, principal);
  const placed: DemoOrder[] = [];
  for (const wish of wishes(workspace)) {
    mkdirSync(wish.delivered, { recursive: true });
    const mine = earlier.find(({ order }) => order.comments === wish.comments)?.order.orderID ?? null;
    placed.push({ ...wish, order: mine ?? (await place(wish, urls, key)) });
  }
  return placed;
}

function wishes({ delivered }: Workspace): readonly Wish[] {
  return [
    {
      backend: 'archive',
      over: 'http',
      delivered,
      what: 'every file of the folder',
      comments: 'demo: everything to one folder',
      attributeFilter: null,
    },
    {
      backend: 'edds',
      over: 'http',
      delivered: join(delivered, 'edds-http'),
      what: 'PktTmRaw of APID 1444, a stream',
      comments: 'demo: instrument housekeeping from EDDS, ordered over HTTP',
      attributeFilter: apid(1444),
    },
    {
      backend: 'edds',
      over: 'maltcp',
      delivered: join(delivered, 'edds-mal'),
      what: 'PktTmRaw of APID 1420, a stream',
      comments: 'demo: platform housekeeping from EDDS, ordered over MAL',
      attributeFilter: apid(1420),
    },
  ];
}

/** Over the wire, as a consumer does it. */
async function place(wish: Wish, urls: Started['urls'], key: string): Promise<bigint> {
  const isEdds = wish.backend === 'edds';
  const order: StandingOrder = {
    orderID: null,
    user: 'operator',
    productFilter: {
      productType: isEdds ? 'PktTmRaw' : null,
      domain: isEdds ? [...EDDS_DOMAIN] : [DOMAIN, '*'],
      sources: null,
      attributeFilter: wish.attributeFilter,
    },
    validityPeriod: null,
    deliveryMethod: 'FILETRANSFER',
    deliverTo: pathToFileURL(wish.delivered).href,
    comments: wish.comments,
  };
  if (wish.over === 'maltcp') {
    const client = connect(`${urls.maltcp}/`);
    try {
      return await client.submitStandingOrder(order);
    } finally {
      await client.close();
    }
  }
  const client = connectHttp(urls.http!, { key });
  try {
    const { orderID: _, ...rest } = order;
    const backfill = isEdds ? null : ({ axis: 'available', from: null, to: null } as const);
    return (await client.submitOrder({ ...rest, ...(backfill && { backfill }) })).orderID;
  } finally {
    await client.close();
  }
}
