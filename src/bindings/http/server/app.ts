import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import type { Logger } from 'pino';
import { noRoute, stopping, wrongMethod } from '../fault.js';
import { pathPattern, type Route } from '../route.js';
import { crossOrigin, requestContext, securityHeaders } from './context.js';
import { contextOf, type DispatchOptions, rawPath, routeHandler, sendFault } from './dispatch.js';

/** The Express application over one table of routes. */
export function createApp(routes: readonly Route[], log: Logger, options: DispatchOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.use(requestContext(log));
  app.use(refuseWhenStopping(options.stopping));
  app.use(securityHeaders(options.config));
  app.use(crossOrigin(options.config));
  const patterns = routes.map((route) => ({ route, pattern: pathPattern(route.path) }));
  for (const { route, pattern } of patterns) app[route.method](pattern, routeHandler(route, options));
  app.use(nothingThere(patterns));
  app.use(onError);
  return app;
}

const refuseWhenStopping =
  (signal: AbortSignal): RequestHandler =>
  (_req, res, next) => {
    if (!signal.aborted) return next();
    res.set('Connection', 'close');
    next(stopping());
  };

function nothingThere(patterns: readonly { readonly route: Route; readonly pattern: RegExp }[]): RequestHandler {
  return (req, res, next) => {
    const path = rawPath(req);
    const methods = new Set<string>();
    for (const { route, pattern } of patterns) {
      if (!pattern.test(path)) continue;
      methods.add(route.method.toUpperCase());
      if (route.method === 'get') methods.add('HEAD');
    }
    if (methods.size === 0) return next(noRoute(path));
    const allow = [...methods, 'OPTIONS'];
    if (req.method === 'OPTIONS') res.status(204).set('Allow', allow.join(', ')).end();
    else next(wrongMethod(req.method, path, allow));
  };
}

const onError: ErrorRequestHandler = (error, req, res, _next) => sendFault(req, res, error, contextOf(res).log);
