import type { Request } from 'express';
import { ListEndShape, ListedShape } from '../../../client/http/wire/index.js';
import type { ProductQuery } from '../../../gateway/api.js';
import type { MpdError } from '../../../mpd/index.js';
import { asFault, HttpFault, stopping } from '../fault.js';
import type { Call } from '../route.js';
import { lineWriter, NDJSON, startLines } from '../send/ndjson.js';
import { listed } from './common.js';

const PIECE = 64 * 1024;

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
  const writer = lineWriter(res, { signal, stallMs: config.limits.stallMs, gather: PIECE });
  let count = 0;
  let next = cursor;
  const end = async (complete: boolean, fault?: MpdError): Promise<void> => {
    const error = fault === undefined ? {} : { error: { code: fault.code, detail: fault.message } };
    await writer.line(ListEndShape.encode({ end: { complete, count, next: complete ? null : next, ...error } }));
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
      await writer.line(ListedShape.encode(listed(item.value.entry, call)));
      count += 1;
      next = item.value.cursor;
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
