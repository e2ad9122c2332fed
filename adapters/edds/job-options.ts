import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import type { Arrivals } from './arrivals.js';
import type { FileCache } from './cache.js';
import type { EddsIndex } from './catalogue.js';
import type { Placing } from './placing.js';
import type { EddsService } from './service.js';
import type { Submitter } from './submit.js';
import type { EddsTables } from './tables.js';

/** What it takes to carry the jobs of standing orders along. */
export interface JobsOptions {
  readonly db: Kysely<EddsTables>;
  readonly backend: string;
  readonly service: EddsService;
  readonly submitter: Submitter;
  readonly cache: FileCache;
  readonly index: EddsIndex;
  readonly clock: () => bigint;
  readonly log: Logger;
  readonly partSeconds: number;
  /** ms */
  readonly period: number;
  /** How far before the end of a stream its successor looks back, ms. */
  readonly overlap: number;
  /** Longest stretch of time that one request for the past may cover, ms. */
  readonly maxWindow: number;
  /** How much later than it is due EDDS may make a part, ms. */
  readonly lag: number;
  /** How long files that EDDS sends may come late, ms. */
  readonly arrival: number;
  readonly placing: Placing;
  readonly arrivals: Arrivals;
}
