import { z } from 'zod';
import type { EncodingName } from '../../src/mal/index.js';
import { invalid } from '../../src/mpd/index.js';

/** Milliseconds, as a number or as text with a unit: `500ms`, `2s`, `5m`, `1h`, `90d`. */
const duration = z.union([
  z.number().nonnegative(),
  z
    .string()
    .regex(/^\d+(\.\d+)?\s*(ms|s|m|h|d)$/, 'a duration such as 500ms, 2s, 5m, 1h or 90d')
    .transform((text) => Number.parseFloat(text) * UNITS[text.replace(/[\d.\s]/g, '') as keyof typeof UNITS]),
]);

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const prefix = z.array(z.string().min(1));

const schema = z.strictObject({
  id: z.string().min(1),
  domain: prefix,
  domains: z.array(prefix).min(1).optional(),
  /** Root of the provider's URIs: `maltcp://host:port` or `malhttp://host:port`. */
  url: z.string().regex(/^mal(tcp|http):\/\/(\[[^\]]+\]|[^:/?#@]+):\d{1,5}\/?$/, 'a URI such as maltcp://host:61616'),
  /** Must be the provider's own: maltcp does not announce it. */
  encoding: z.enum(['fixed', 'variable', 'split']).default('fixed'),
  /** How the provider has malhttp, which nothing tells. */
  httpMode: z.enum(['request-response', 'no-response', 'no-encoding']).default('request-response'),
  /** Where a malhttp provider finds this gateway; absent: the address that faces it. */
  listenHost: z.string().min(1).optional(),
  endpoints: z
    .strictObject({
      retrieval: z.string().min(1).default('ProductRetrieval'),
      orders: z.string().min(1).default('OrderManagement'),
      delivery: z.string().min(1).default('ProductOrderDelivery'),
      broker: z.string().min(1).default('ProductOrderDeliveryInternalBroker'),
    })
    .prefault({}),
  /** Owner of the standing order by which this gateway follows the provider; may be shared with others. */
  user: z.string().min(1).default('mpd-gateway'),
  /** `esa-12.2`: works around the known faults of ESA's provider of that release. */
  quirks: z.enum(['none', 'esa-12.2']).default('none'),
  /**
   * What is ordered at the provider, to hear of it at once. `orders`, or true: what the orders here want; `all`: everything, also
   * what nobody here has ordered; false: nothing, changes are found by listing only.
   */
  subscribe: z.union([z.boolean(), z.enum(['orders', 'all'])]).default('orders'),
  /** Longest body fetched in one MAL message, in bytes; above it, and where the provider refuses, by its `externalURI`. */
  maxBody: z
    .number()
    .int()
    .positive()
    .default(64 * 1024 * 1024),
  /** Hosts that an `externalURI` may name, besides the provider's own. */
  links: z
    .array(
      z.strictObject({
        scheme: z.enum(['http', 'https']).default('https'),
        host: z.string().min(1),
        port: z.number().int().min(1).max(65_535).optional(),
      }),
    )
    .default([]),
  /** Algorithm of the checksums in the provider's metadata; absent: they are not checked. */
  checksum: z.enum(['md5', 'sha-256', 'crc32c', 'sha-1', 'sha-512']).optional(),
  /** How often what was created lately is listed. */
  poll: duration.default(60_000),
  /** How often everything is listed: finds removals, and what came late. */
  sweep: duration.default(600_000),
  /** How far back each poll lists again. */
  overlap: duration.default(600_000),
  /** Longest wait for an answer, and for a product. */
  timeout: duration.default(60_000),
  /** How long removals stay known to followers that were away. */
  retention: duration.default(90 * UNITS.d),
});

export interface MpdConfig extends Omit<z.output<typeof schema>, 'encoding' | 'domains' | 'checksum' | 'subscribe'> {
  readonly subscribe: 'orders' | 'all' | 'nothing';
  readonly encoding: EncodingName;
  readonly domains: readonly (readonly string[])[];
  readonly checksum: NonNullable<z.output<typeof schema>['checksum']> | null;
}

/** @throws MpdError Invalid naming the field */
export function mpdConfig(entry: Readonly<Record<string, unknown>>): MpdConfig {
  const { kind: _, ...fields } = entry;
  const result = schema.safeParse(fields);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw invalid(`backends.${String(entry.id)}.${issue?.path.join('.') ?? ''}`, issue?.message ?? '', result.error);
  }
  const { encoding, domains, checksum, url, subscribe, ...rest } = result.data;
  return {
    ...rest,
    url: url.replace(/\/$/, ''),
    encoding: `binary-${encoding}`,
    domains: domains ?? [rest.domain],
    checksum: checksum ?? null,
    subscribe: subscribe === true ? 'orders' : subscribe === false ? 'nothing' : subscribe,
  };
}
