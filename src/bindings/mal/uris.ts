import { mpdArea, OrderManagement, ProductOrderDelivery, ProductRetrieval } from '../../mpd/index.js';
import type { EndpointNames } from './config.js';

/** Where each service is reached below a root such as `maltcp://127.0.0.1:61616`. */
export interface ServiceUris {
  readonly ProductRetrieval: string;
  readonly OrderManagement: string;
  readonly ProductOrderDelivery: string;
  /** Of ProductOrderDelivery. */
  readonly broker: string;
}

export const serviceUris = (root: string, names: EndpointNames): ServiceUris => ({
  ProductRetrieval: `${root}/${names.retrieval}`,
  OrderManagement: `${root}/${names.orders}`,
  ProductOrderDelivery: `${root}/${names.delivery}`,
  broker: `${root}/${names.broker}`,
});

/** The file `providerURIs.properties` from which consumers on ESA's stack learn where a provider is. */
export function providerUris(uris: ServiceUris, domain: readonly string[]): string {
  const lines = [ProductRetrieval, OrderManagement, ProductOrderDelivery].flatMap(({ name, number }) => {
    const key = name as Exclude<keyof ServiceUris, 'broker'>;
    const broker = key === 'ProductOrderDelivery' ? uris.broker : 'null';
    return [
      `${key}_URI=${uris[key]}`,
      `${key}_Broker=${broker}`,
      `${key}_Domain=${domain.join('.')}`,
      `${key}_ServiceKey=[${mpdArea.number}, ${mpdArea.version}, ${number}]`,
    ];
  });
  return `${lines.map(escaped).join('\n')}\n`;
}

/** Properties files are Latin-1, and take a backslash as an escape. */
const escaped = (line: string): string =>
  line
    .replace(/\\/g, '\\\\')
    .replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
