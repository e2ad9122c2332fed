import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { ProblemShape, textOf } from '../../../client/http/wire/index.js';
import type { Gateway } from '../../../gateway/api.js';
import { DecodeError } from '../../../mal/index.js';
import { invalid } from '../../../mpd/index.js';
import type { HttpBindingConfig } from '../config.js';
import { asFault, faultHeaders, faultStatus, HttpFault, problemOf } from '../fault.js';
import type { Links } from '../links.js';
import { parseQuery } from '../query/params.js';
import { checkText } from '../query/text.js';
import { type Call, isRest, pathPattern, type Reply, type Route } from '../route.js';
import { clientLeft } from '../send/writer.js';
import { ANYBODY, authenticate, requireRole } from './authenticate.js';
import type { createStreamGate, RateLimits } from './limits.js';
import type { HttpMetrics } from './metrics.js';

export interface DispatchOptions {
  readonly gateway: Gateway;
  readonly config: HttpBindingConfig;
  readonly links: Links;
  readonly rates: RateLimits;
  readonly streams: ReturnType<typeof createStreamGate>;
  readonly metrics: HttpMetrics;
  readonly readJson: (req: Request, res: Response) => Promise<unknown>;
  /** Aborted when the gateway is asked to stop, and when its patience ends. */
  readonly stopping: AbortSignal;
  readonly over: AbortSignal;
}

/** What the context middleware puts on a response. */
export interface RequestContext {
  readonly requestId: string;
  readonly log: Logger;
}
export const contextOf = (res: Response): RequestContext => res.locals as RequestContext;

/** Runs one route: key, limits, input, handler, answer; every fault becomes a problem. */
export function routeHandler(route: Route, options: DispatchOptions): RequestHandler {
  const pattern = pathPattern(route.path);
  return async (req, res) => {
    const started = process.hrtime.bigint();
    const { requestId, log } = contextOf(res);
    const life = lifeOf(res, options.over, options.config.limits.answerMs);
    let release = (): void => undefined;
    const admit = async (principal: string): Promise<void> => {
      who = principal;
      await options.rates.request(principal, req, res);
      if (route.streams !== undefined) release = options.streams.enter(principal);
    };
    let who = '';
    try {
      const access = route.access ?? 'key';
      const identity = access === 'open' ? ANYBODY : await authenticate(req, options.gateway, options.rates);
      if (access !== 'open') await admit(identity.principal.id);
      requireRole(access, identity.principal);
      const input = await readInput(route, pattern, req, res, options);
      const call: Call = {
        gateway: options.gateway,
        config: options.config,
        principal: identity.principal,
        links: options.links,
        log: log.child({ principal: who }),
        requestId,
        signal: life.signal,
        stopping: options.stopping,
        stillAllowed: identity.stillAllowed,
        unbounded: life.unbounded,
        admit,
        req,
        res,
      };
      const reply = await Promise.race([route.handle(call, input as never), life.late]);
      if (reply !== undefined) sendReply(res, route, reply);
    } catch (error) {
      sendFault(req, res, error, log);
    } finally {
      life.end();
      release();
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      options.metrics.observe(route.path, req.method, res.statusCode, seconds);
      log.info({ route: route.id, principal: who, status: res.statusCode, ms: Math.round(seconds * 1000) }, 'request');
    }
  };
}

async function readInput(
  route: Route,
  pattern: RegExp,
  req: Request,
  res: Response,
  options: DispatchOptions,
): Promise<{ params: Record<string, unknown>; query: Record<string, unknown>; body: unknown }> {
  const path = rawPath(req);
  if (path.includes('%00')) throw invalid('path', 'holds a NUL');
  const groups = pattern.exec(path)?.groups ?? {};
  const params: Record<string, unknown> = {};
  for (const [name, param] of Object.entries(route.params ?? {})) {
    const raw = groups[name] ?? '';
    params[name] = param.parse(isRest(route.path, name) ? raw : decodeURIComponent(raw), name);
  }
  const query = parseQuery(route.query ?? {}, new URLSearchParams(/\?([^#]*)/.exec(req.originalUrl)?.[1]));
  if (route.body === undefined) return { params, query, body: undefined };
  const json = await options.readJson(req, res);
  try {
    const body = route.body.decode(json === undefined ? {} : json);
    checkText(json, '');
    return { params, query, body };
  } catch (error) {
    if (error instanceof DecodeError) throw invalid(error.path === '' ? 'body' : error.path, error.reason, error);
    throw error;
  }
}

/** The path as it came, before anything decodes or normalises it. */
export const rawPath = (req: Request): string => req.originalUrl.replace(/[?#].*$/s, '');

function sendReply(res: Response, route: Route, reply: Reply<unknown>): void {
  res.set(reply.headers ?? {});
  res.status(reply.status ?? route.status ?? 200);
  if (route.answers === null || route.answers === undefined) res.status(reply.status ?? 204).end();
  else res.set('Cache-Control', 'no-store').type('json').send(textOf(route.answers, reply.value));
}

/** Answers with a problem; once bytes are out, resets the connection, so that nobody takes a part for the whole. */
export function sendFault(req: Request, res: Response, error: unknown, log: Logger): void {
  const fault = asFault(error);
  const status = faultStatus(fault);
  if (fault.code === 'Destination Lost' && (res.destroyed || res.headersSent))
    log.debug({ reason: fault.message }, 'client left');
  else if (status >= 500) log.error({ err: fault.cause ?? fault, code: fault.code }, 'request failed');
  else log.debug({ code: fault.code, reason: fault.message }, 'request refused');
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const problem = problemOf(fault, rawPath(req), contextOf(res).requestId);
  for (const name of ['Content-Length', 'Content-Disposition', 'ETag', 'Repr-Digest']) res.removeHeader(name);
  res
    .status(status)
    .set(faultHeaders(fault))
    .send(JSON.stringify(ProblemShape.encode(problem)));
}

/** What ends a request from outside: the client leaves, the gateway's patience is over, the time for an answer has passed. */
function lifeOf(res: Response, over: AbortSignal, answerMs: number) {
  const controller = new AbortController();
  const left = (): void => {
    if (!res.writableFinished) controller.abort(clientLeft());
  };
  const ended = (): void => controller.abort(over.reason);
  res.on('close', left);
  over.addEventListener('abort', ended, { once: true });
  if (over.aborted) ended();
  let timer: NodeJS.Timeout | undefined;
  /** Rejects when the time is over, also where a handler does not listen to the signal. */
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const message = `no answer within ${answerMs / 1000} s`;
      const fault = new HttpFault(504, 'Transaction Timeout', { class: 'retry', message });
      controller.abort(fault);
      reject(fault);
    }, answerMs);
  });
  // It may be over before anybody waits for it.
  late.catch(() => undefined);
  return {
    signal: controller.signal,
    late,
    unbounded: (): void => clearTimeout(timer),
    end() {
      clearTimeout(timer);
      res.off('close', left);
      over.removeEventListener('abort', ended);
    },
  };
}
