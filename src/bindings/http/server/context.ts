import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { HttpBindingConfig } from '../config.js';

/** Gives every request an id (the caller's own when it is sane) that goes into each log line, problem and answer. */
export function requestContext(log: Logger): RequestHandler {
  return (req, res, next) => {
    const given = req.get('x-request-id');
    const requestId = given !== undefined && /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID();
    res.locals.requestId = requestId;
    res.locals.log = log.child({ requestId, method: req.method, path: req.originalUrl.replace(/[?#].*$/s, '') });
    res.set('X-Request-Id', requestId);
    next();
  };
}

export function securityHeaders({ tls }: HttpBindingConfig): RequestHandler {
  const headers: Record<string, string> = {
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'Cross-Origin-Resource-Policy': 'same-origin',
    ...(tls == null ? {} : { 'Strict-Transport-Security': 'max-age=31536000' }),
  };
  return (_req, res, next) => {
    res.set(headers);
    next();
  };
}

const EXPOSED = 'ETag, Content-Range, Content-Disposition, Repr-Digest, Link, Retry-After, X-Request-Id, RateLimit';

/** Lets pages of the configured origins (`*` = any) call; everybody else gets no CORS header at all. No cookie is ever used. */
export function crossOrigin({ corsOrigins }: HttpBindingConfig): RequestHandler {
  const allowed = new Set(corsOrigins);
  return (req, res, next) => {
    const { origin } = req.headers;
    if (allowed.size > 0) res.vary('Origin');
    if (origin === undefined || !(allowed.has(origin) || allowed.has('*'))) return next();
    res.set({
      'Access-Control-Allow-Origin': allowed.has(origin) ? origin : '*',
      'Access-Control-Expose-Headers': EXPOSED,
      'Cross-Origin-Resource-Policy': 'cross-origin',
    });
    if (req.method !== 'OPTIONS' || req.headers['access-control-request-method'] === undefined) return next();
    res
      .status(204)
      .set({
        'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, DELETE',
        'Access-Control-Allow-Headers':
          'Authorization, Content-Type, Accept, Range, If-Range, If-Match, If-None-Match, Last-Event-ID, X-Request-Id',
        'Access-Control-Max-Age': '600',
      })
      .end();
  };
}
