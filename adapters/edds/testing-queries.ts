import { ALTERNATIVE, type EddsSimulatorOptions, STANDARD } from '../../simulators/edds/index.js';
import { type ResponseElement, readResponse } from '../../src/formats/edds-response/index.js';
import type { Backend, BackendQuery, Entry } from '../../src/gateway/backend.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import { overlay } from './site.js';
import { ALTERNATIVE_SITE, BEGIN } from './testing.js';

/** What tests of the backend ask, of which sites. */
export interface Site {
  readonly name: string;
  readonly simulator: EddsSimulatorOptions;
  readonly config: Record<string, unknown>;
}

export const SITES: readonly Site[] = [
  { name: 'the shipped profile, base64', simulator: { shape: STANDARD }, config: {} },
  {
    name: 'the shipped profile, token in a header',
    simulator: { shape: { ...STANDARD, token: ['header'] } },
    config: { site: { auth: { send: 'header', header: { name: 'Token', namespace: 'urn:edds-sim:service:1' } } } },
  },
  { name: 'the other site, attachments', simulator: { shape: ALTERNATIVE }, config: { site: ALTERNATIVE_SITE } },
  {
    name: 'the other site, content inline, the end told by a fault',
    simulator: { shape: { ...ALTERNATIVE, content: 'inline', last: 'fault' } },
    config: { site: overlay(ALTERNATIVE_SITE, { last: 'fault', responses: { fetch: { total: null } } }) as object },
  },
];

export const EVERYTHING: BackendQuery = { filter: null, created: null, content: null, updated: null };
export const ns = (millis: number): bigint => BigInt(millis) * 1_000_000n;
export const WINDOW = { start: ns(BEGIN), end: ns(BEGIN + 10_000) - 1n };
export const hour = (type: string, attributes: readonly object[] = []): FilterTree =>
  ({
    filter: {
      productType: type,
      domain: null,
      sources: null,
      attributeFilter: attributes.length === 0 ? null : attributes,
    },
  }) as FilterTree;
export const apid = (...values: number[]) => ({
  type: 'ValueSet',
  name: 'apid',
  include: true,
  values: values.map((value) => ({ type: 'UShort', value })),
});

export async function listAll(
  backend: Backend,
  query: Partial<BackendQuery>,
  attribute?: string,
  value?: unknown,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  const options = { order: 'created', limit: 1000, signal: new AbortController().signal } as const;
  for await (const { entry } of backend.list({ ...EVERYTHING, ...query }, options)) {
    if (
      attribute === undefined ||
      entry.metadata.attributes?.some((one) => one.name === attribute && one.value?.value === value)
    )
      entries.push(entry);
  }
  return entries;
}

export async function bytesOf(backend: Backend, entry: Entry, progress?: (text: string) => void): Promise<Buffer> {
  const body = await backend.open(entry.metadata.productRef, {
    revision: entry.revision,
    offset: 0,
    signal: AbortSignal.timeout(50_000),
    ...(progress && { progress }),
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Of a response without any fault. */
export async function elementsOf(content: Uint8Array): Promise<ResponseElement[]> {
  const elements: ResponseElement[] = [];
  for await (const element of readResponse([content], { onProblem: refuse })) elements.push(element);
  return elements;
}

export async function eventually<Result>(look: () => Promise<Result>): Promise<NonNullable<Exclude<Result, false>>> {
  const end = performance.now() + 40_000;
  for (;;) {
    const found = await look();
    if (found) return found as NonNullable<Exclude<Result, false>>;
    if (performance.now() > end) throw new Error('it did not come to pass');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function refuse({ reason }: { readonly reason: string }): never {
  throw new Error(reason);
}
