import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { ipKeyGenerator, MemoryStore, rateLimit } from 'express-rate-limit';
import type { HttpLimits } from '../config.js';
import { rateLimited } from '../fault.js';

const MINUTE = 60_000;

export interface RateLimits {
  /** @throws HttpFault 429 when this principal has asked too often in the running minute */
  readonly request: (principal: string, req: Request, res: Response) => Promise<void>;
  /** @throws HttpFault 429 when too many keys from this address were refused in the running minute */
  readonly beforeKey: (req: Request) => Promise<void>;
  readonly keyRefused: (req: Request) => Promise<void>;
  readonly close: () => void;
}

export function createRateLimits(limits: HttpLimits): RateLimits {
  const principals = new WeakMap<Request, string>();
  const requests = new MemoryStore();
  const limiter = rateLimit({
    store: requests,
    windowMs: MINUTE,
    limit: limits.requestsPerMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: 'principal',
    keyGenerator: (req) => principals.get(req as Request) ?? '',
    handler: (req, _res, next) => {
      const reset = (req as Request & { readonly rateLimit?: { readonly resetTime?: Date } }).rateLimit?.resetTime;
      const wait = Math.max(1000, (reset?.getTime() ?? Date.now() + MINUTE) - Date.now());
      next(rateLimited(wait, `more than ${limits.requestsPerMinute} requests in a minute`));
    },
  });
  const failures = new MemoryStore();
  failures.init({ windowMs: MINUTE } as Parameters<MemoryStore['init']>[0]);
  const address = (req: Request): string => ipKeyGenerator(req.socket.remoteAddress ?? '');

  return {
    async request(principal, req, res) {
      principals.set(req, principal);
      await run(limiter, req, res);
    },
    async beforeKey(req) {
      const seen = await failures.get(address(req));
      if (seen !== undefined && seen.totalHits >= limits.failuresPerMinute) {
        const wait = (seen.resetTime?.getTime() ?? Date.now() + MINUTE) - Date.now();
        throw rateLimited(Math.max(1000, wait), 'too many refused keys from this address');
      }
    },
    async keyRefused(req) {
      await failures.increment(address(req));
    },
    close() {
      requests.shutdown();
      failures.shutdown();
    },
  };
}

const run = (handler: RequestHandler, req: Request, res: Response): Promise<void> =>
  new Promise((resolve, reject) => {
    const next: NextFunction = (error?: unknown) => (error === undefined ? resolve() : reject(error));
    Promise.resolve(handler(req, res, next)).catch(reject);
  });

/** Counts what a principal has open at once. */
export function createStreamGate(limit: number): {
  /** Takes a place. @returns gives it back. @throws HttpFault 429 */
  enter(principal: string): () => void;
  readonly open: () => number;
} {
  const counts = new Map<string, number>();
  return {
    enter(principal) {
      const count = counts.get(principal) ?? 0;
      if (count >= limit) throw rateLimited(1000, `more than ${limit} open streams`);
      counts.set(principal, count + 1);
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        const left = (counts.get(principal) ?? 1) - 1;
        if (left === 0) counts.delete(principal);
        else counts.set(principal, left);
      };
    },
    open: () => [...counts.values()].reduce((sum, count) => sum + count, 0),
  };
}
