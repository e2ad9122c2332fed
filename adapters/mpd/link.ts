import { deliveryFailed, type MpdError } from '../../src/mpd/index.js';
import { type FetchResponse, guardedFetch } from '../../src/net/fetch.js';
import type { Guard } from '../../src/net/guard.js';
import { redact } from '../../src/net/redact.js';
import type { MpdConfig } from './config.js';

const REDIRECTS = 3;

/** What a link gave: bytes from an offset, or why it does not. */
export type Fetched =
  | {
      readonly kind: 'bytes';
      /** Of the whole, where the server tells. */
      readonly size: number | null;
      /** Strong entity tag; null without. */
      readonly etag: string | null;
      /** Goes on at an offset. */
      readonly ranges: boolean;
      readonly stream: AsyncIterable<Uint8Array>;
      discard(): void;
    }
  /** The link is over, or never was good: a newer one may be. */
  | { readonly kind: 'stale'; readonly status: number }
  /** Another content is there now. */
  | { readonly kind: 'changed' };

/** Reads what `externalURI` names, at the provider's own host and those of the configuration. */
export interface LinkReader {
  /**
   * @param etag only this content
   * @throws MpdError `refuse` where the guard does, `target-down` or `retry` for what may pass
   */
  open(uri: string, offset: number, etag: string | null, signal: AbortSignal): Promise<Fetched>;
  close(): void;
}

export const isLink = (uri: string | null): uri is string => uri !== null && /^https?:\/\//i.test(uri);

export function linkReader(config: Pick<MpdConfig, 'url' | 'links' | 'timeout'>, guard: Guard): LinkReader {
  const host = new URL(config.url.replace(/^mal(tcp|http)/, 'http')).hostname;
  const own = ['http', 'https'].map((scheme) => ({ scheme, host }));
  const guarded = guard.allowing([...own, ...config.links]);
  return {
    async open(uri, offset, etag, signal) {
      const response = await guardedFetch(guarded, uri, {
        signal,
        redirects: REDIRECTS,
        idleTimeoutMs: config.timeout,
        headers: { ...(offset > 0 && { range: `bytes=${offset}-` }), ...(etag !== null && { 'if-match': etag }) },
      });
      return judge(response, uri, offset, etag);
    },
    close: () => guarded.close(),
  };
}

function judge(response: FetchResponse, uri: string, offset: number, expected: string | null): Fetched {
  const { status, headers } = response;
  if (status === 200 || status === 206) {
    const etag = headers.etag?.startsWith('"') ? headers.etag : null;
    const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
    const wrong = status === 206 && Number(from) !== offset;
    // Another server behind the same link may have other bytes.
    if (wrong || (expected !== null && etag !== expected)) {
      response.discard();
      if (!wrong) return { kind: 'changed' };
      throw failed(uri, `it sent ${headers['content-range'] ?? 'a part'} for bytes from ${offset} on`, 'retry');
    }
    const length = headers['content-length'];
    const told = status === 206 ? total : length;
    return {
      kind: 'bytes',
      size: told === undefined || told === '*' ? null : Number(told),
      etag,
      ranges: status === 206 || headers['accept-ranges'] === 'bytes',
      stream: status === 200 && offset > 0 ? after(response.body, offset) : response.body,
      discard: response.discard,
    };
  }
  const size = /^bytes \*\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  response.discard();
  if (status === 416 && Number(size) === offset) {
    const nothing = (async function* () {})();
    return { kind: 'bytes', size: offset, etag: expected, ranges: true, stream: nothing, discard: () => undefined };
  }
  if (status === 412) return { kind: 'changed' };
  if (status === 400 || status === 401 || status === 403 || status === 404 || status === 410)
    return { kind: 'stale', status };
  throw failed(uri, `it answered ${status}`, status >= 500 || status === 429 ? 'retry' : 'refuse');
}

/** Without the first bytes, which a server without ranges sends all the same. */
async function* after(source: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let left = offset;
  for await (const chunk of source) {
    if (left >= chunk.length) left -= chunk.length;
    else {
      yield chunk.subarray(left);
      left = 0;
    }
  }
}

const failed = (uri: string, reason: string, kind: MpdError['class']): MpdError =>
  deliveryFailed(`the provider's link ${redact(uri)}: ${reason}`, kind);
