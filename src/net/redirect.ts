import type { IncomingHttpHeaders } from 'node:http';
import { deliveryFailed } from '../mpd/errors.js';
import type { FetchOptions } from './fetch.js';

/** Headers that mean the same to every server and give nothing away; all others stay with the server they were meant for. */
const HARMLESS = /^(accept|accept-.*|range|if-.*|user-agent|content-type|cache-control)$/i;

/** The request that a redirect asks for; undefined when the response is none. */
export function nextHop(
  from: URL,
  options: FetchOptions,
  response: { readonly status: number; readonly headers: IncomingHttpHeaders },
): { readonly url: URL; readonly options: FetchOptions } | undefined {
  const { status, headers } = response;
  if (![301, 302, 303, 307, 308].includes(status) || headers.location === undefined) return undefined;
  if (!URL.canParse(headers.location, from.href))
    throw deliveryFailed(`${from.origin}: redirects to something that is not a URI`);
  const url = new URL(headers.location, from);
  url.hash = '';
  const sameOrigin = url.origin === from.origin;
  const method = (options.method ?? 'GET').toUpperCase();
  const becomesGet = method !== 'GET' && method !== 'HEAD' && (status === 303 || (status < 303 && method === 'POST'));
  const { body, tls, headers: sent = {}, ...rest } = options;
  if (!becomesGet && body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array))
    throw deliveryFailed(`${from.origin}: redirects a body that cannot be sent again`);
  const kept = Object.entries(sent).filter(
    ([name]) =>
      (sameOrigin || HARMLESS.test(name)) &&
      !/^host$/i.test(name) &&
      !(becomesGet && /^(content-.*|transfer-encoding)$/i.test(name)),
  );
  return {
    url,
    options: {
      ...rest,
      headers: Object.fromEntries(kept),
      ...(becomesGet ? { method: 'GET' } : { ...(body !== undefined && { body }) }),
      // Trust anchors hold anywhere; a client key is shown to nobody else.
      ...(tls && { tls: sameOrigin ? tls : { ...(tls.ca !== undefined && { ca: tls.ca }) } }),
    },
  };
}
