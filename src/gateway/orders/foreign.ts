import type { Logger } from 'pino';
import type { StandingOrder } from '../../mpd/index.js';
import type { UpstreamStatus } from '../backend.js';
import type { Backends } from '../backends.js';
import { domainText } from '../values.js';
import { matchesRequestedDomain } from './read.js';

/** What stands at the systems behind the gateway without an order here. */
export interface ForeignOrders {
  /** Asks the systems; of one that does not answer the last list stays. */
  refresh(): Promise<void>;
  /** As the systems said last, filtered as listStandingOrders is: without an id, and said to be read-only in the comments. */
  list(query: { readonly user: string | null; readonly domain: readonly string[] | null }): readonly StandingOrder[];
}

export function createForeignOrders(backends: Backends, log: Logger): ForeignOrders {
  const known = new Map<string, readonly StandingOrder[]>();
  return {
    async refresh() {
      const asked = backends.all.map(async ({ id, domains, upstream }) => {
        if (upstream === undefined) return;
        try {
          const foreign = (await upstream.list()).filter(({ orderId }) => orderId === null);
          known.set(
            id,
            foreign.map((status) => shown(status, id, domains[0] ?? [])),
          );
        } catch (error) {
          log.warn({ err: error, backend: id }, 'what others have ordered there is not known now');
        }
      });
      await Promise.all(asked);
    },

    list: ({ user, domain }) =>
      [...known.values()].flat().filter((order) => {
        if (user !== null && user !== '*' && order.user !== user) return false;
        return domain === null || matchesRequestedDomain(domainText(order.productFilter?.domain ?? []), domain);
      }),
  };
}

const shown = ({ id, state, details }: UpstreamStatus, backend: string, domain: readonly string[]): StandingOrder => ({
  orderID: null,
  user: details.User ?? backend,
  productFilter: { productType: null, domain: [...domain], sources: null, attributeFilter: null },
  validityPeriod: null,
  deliveryMethod: 'SERVICE_JUST_METADATA',
  deliverTo: null,
  comments: `read-only: ${id} at ${backend}, made for no order here; ${state}`,
});
