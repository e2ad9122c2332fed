import type { Request } from 'express';
import { ListEndShape, ListedShape } from '../../../client/http/wire/index.js';
import type { ProductQuery } from '../../../gateway/api.js';
import type { Entry } from '../../../gateway/backend.js';
import type { MpdError } from '../../../mpd/index.js';
import { asFault, HttpFault, stopping } from '../fault.js';
import type { Call } from '../route.js';
import { lineWriter, NDJSON, startLines } from '../send/ndjson.js';
import { listed } from './common.js';

/** Each piece is a system call and some more. */
const PIECE = 512 * 1024;
const FIRST_PIECE = 16 * 1024;
/** About what a product takes. */
const ROW = 4096;

/** @throws HttpFault 406 when neither JSON nor NDJSON is accepted */
export function wantsLines(req: Request): boolean {
  const best = req.accepts(['application/json', NDJSON]);
  if (best === false) {
    throw new HttpFault(406, 'Invalid', {
      message: `Accept: there are application/json and ${NDJSON}`,
      field: 'Accept',
    });
  }
  return best === NDJSON;
}

/** One page. Rows are turned into bytes one by one, as for a whole listing: one text of a page is twice as slow. */
export async function sendPage(call: Call, entries: readonly Entry[], next: string | null): Promise<void> {
  const { req, res, signal, config } = call;
  res.set('Cache-Control', 'no-store').type('json');
  if (req.method === 'HEAD') return void res.end();
  const gather = Math.min(PIECE, ROW * entries.length);
  const writer = lineWriter(res, { signal, stallMs: config.limits.stallMs, gather });
  await writer.line('{"products":[');
  let comma = '';
  for (const entry of entries) {
    const sent = writer.row(ListedShape, listed(entry, call), comma);
    if (sent !== undefined) await sent;
    comma = ',';
  }
  await writer.line(`],"next":${JSON.stringify(next)}}`);
  await writer.flush();
  res.end();
}

/**
 * Every product, one a line; the last line tells whether that was all, and else from where to go on. A fault before the first product
 * is a problem as usual.
 */
export async function sendListing(
  call: Call,
  query: ProductQuery,
  cursor: string | null,
  limit: number | null,
): Promise<void> {
  const { res, gateway, principal, signal, config } = call;
  const products = gateway.catalogue.listAll(
    query,
    { ...(cursor === null ? {} : { after: cursor }), signal },
    principal,
  );
  const iterator = products[Symbol.asyncIterator]();
  const writer = lineWriter(res, { signal, stallMs: config.limits.stallMs, gather: PIECE, first: FIRST_PIECE });
  let count = 0;
  /** Its cursor is worked out only when it is told. */
  let last: { readonly cursor: string } | null = null;
  const end = async (complete: boolean, fault?: MpdError): Promise<void> => {
    const error = fault === undefined ? {} : { error: { code: fault.code, detail: fault.message } };
    const next = complete ? null : (last?.cursor ?? cursor);
    await writer.row(ListEndShape, { end: { complete, count, next, ...error } });
    await writer.flush();
    res.end();
  };
  try {
    let item = await iterator.next();
    call.unbounded();
    startLines(res);
    if (call.req.method === 'HEAD') return void res.end();
    while (item.done !== true) {
      if (limit !== null && count >= limit) return await end(false);
      if (call.stopping.aborted) return await end(false, stopping());
      const sent = writer.row(ListedShape, listed(item.value.entry, call));
      if (sent !== undefined) await sent;
      count += 1;
      last = item.value;
      try {
        item = await iterator.next();
      } catch (error) {
        signal.throwIfAborted();
        const fault = asFault(error);
        call.log.warn({ err: fault.cause ?? fault, code: fault.code }, 'listing ended early');
        return await end(false, fault);
      }
    }
    await end(true);
  } finally {
    await iterator.return?.();
  }
}
