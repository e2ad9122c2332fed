import type { ProductFilter, StandingOrder } from '../../src/mpd/index.js';
import type { MpdConfig } from './config.js';
import type { MpdService } from './service.js';

/** Domain to ask the provider for; null where one pattern cannot say it, or its provider cannot take it. */
export function askedDomain({ domains, quirks }: Pick<MpdConfig, 'domains' | 'quirks'>): readonly string[] | null {
  // ESA's provider fails on products whose domain is shorter than the one asked for.
  if (quirks === 'esa-12.2' || domains.length !== 1 || domains[0]!.length === 0) return null;
  return [...domains[0]!, '*'];
}

/**
 * The standing order by which this gateway hears of new products: the one it made before, else a new one. ESA's provider cannot
 * send a product without a body, and needs a filter.
 */
export async function ensureOrder(
  service: Pick<MpdService, 'orders' | 'submit'>,
  config: Pick<MpdConfig, 'id' | 'user' | 'domains' | 'quirks'>,
  signal: AbortSignal,
): Promise<void> {
  const comments = `mpd-gateway follows as backend ${config.id}`;
  const productFilter: ProductFilter = {
    productType: null,
    domain: askedDomain(config),
    sources: null,
    attributeFilter: null,
  };
  const order: StandingOrder = {
    orderID: null,
    user: config.user,
    productFilter,
    validityPeriod: null,
    deliveryMethod: config.quirks === 'esa-12.2' ? 'SERVICE_COMPLETE' : 'SERVICE_JUST_METADATA',
    deliverTo: null,
    comments,
  };
  const known = await service.orders(config.user, signal);
  const fits = (other: StandingOrder): boolean =>
    other.comments === comments &&
    other.deliveryMethod === order.deliveryMethod &&
    JSON.stringify(other.productFilter?.domain ?? null) === JSON.stringify(productFilter.domain);
  if (!known.some(fits)) await service.submit(order, signal);
}
