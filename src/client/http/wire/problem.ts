import type { ErrorClass, MpdErrorCode } from '../../../mpd/index.js';
import { MpdError } from '../../../mpd/index.js';
import { anything, nullable, optional, record, type Shape, text, whole } from './shape.js';

/** RFC 9457 with the MPD error in extension members. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance?: string;
  /** Name of the MPD or MAL error. */
  readonly code: string;
  readonly class: string;
  /** Path of the field at fault. */
  readonly field?: string | null;
  /** What is wrong with it, without its name. */
  readonly reason?: string | null;
  readonly extraInformation?: unknown;
  readonly retryAfterMs?: number;
  readonly requestId?: string;
}

export const ProblemShape: Shape<Problem> = record(
  {
    type: text({ format: 'uri-reference' }),
    title: text(),
    status: whole(100, 599),
    detail: text(),
    instance: optional(text({ format: 'uri-reference' })),
    code: text({ description: 'Name of the MPD or MAL error.' }),
    class: text({ description: 'What to do: retry, retryAfter, refuse, target-down, fatal.' }),
    field: optional(nullable(text({ description: 'Path of the field at fault.' }))),
    reason: optional(nullable(text())),
    extraInformation: optional(anything),
    retryAfterMs: optional(whole(0)),
    requestId: optional(text()),
  },
  { name: 'Problem', doc: 'RFC 9457 problem with the MPD error.' },
);

export const PROBLEM_TYPE = 'application/problem+json';

/** The error that the server raised. */
export const errorOf = (problem: Problem): MpdError =>
  new MpdError(problem.code as MpdErrorCode, {
    class: problem.class as ErrorClass,
    message: problem.detail,
    extraInformation: problem.extraInformation ?? null,
    ...(problem.field == null ? {} : { field: problem.field }),
    ...(problem.retryAfterMs === undefined ? {} : { retryAfterMs: problem.retryAfterMs }),
  });
