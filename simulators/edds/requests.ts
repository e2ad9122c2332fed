import { randomInt } from 'node:crypto';
import { formatRequestId } from '../../src/formats/edds-response/index.js';
import type { Archive } from './archive/index.js';
import { withinRoots } from './deliver.js';
import { EddsFault, invalid } from './fault.js';
import { filterOf } from './produce.js';
import { assertType, checkFilter, selectionBound } from './selection.js';
import type { SimulatedUser } from './sessions.js';
import type { Job } from './state.js';
import type { Values } from './values.js';

export interface SubmissionRules {
  readonly archives: Readonly<Record<string, Archive>>;
  readonly fileRoots: readonly string[];
  /** Elements one request may select. */
  readonly maxElements: number;
  /** Milliseconds until a one-off batch starts. */
  readonly startDelay: number;
}

const EXPIRY = 15 * 86_400_000;

/** Checks a request and makes its job; faults as the contract says. `now` in milliseconds. */
export function newJob(
  kind: Job['kind'],
  request: Values,
  user: SimulatedUser,
  now: number,
  taken: (id: string) => boolean,
  rules: SubmissionRules,
): Job {
  const stream = kind === 'StreamRequest';
  const type = String(request.DataType);
  const domain = String(request.Domain);
  const archive = user.domains.includes(domain) ? rules.archives[domain] : undefined;
  if (archive === undefined) throw new EddsFault('ACCESS_DENIED', `domain ${domain.slice(0, 80)} is not granted`);
  assertType(type, stream);
  if (user.types !== undefined && !user.types.includes(type))
    throw new EddsFault('ACCESS_DENIED', `${type} is not granted`);
  if (request.Name !== undefined && !/^[A-Za-z0-9_.-]{0,64}$/.test(String(request.Name))) {
    throw invalid('Name may hold 64 letters, digits, dots, dashes and underscores');
  }
  checkFilter(type, filterOf(request));
  checkFormat(request, type);
  checkDelivery(request, user, rules);
  const range = request.TimeRange as Values | undefined;
  const schedule = request.Schedule as Values | undefined;
  if (!stream && range === undefined && schedule === undefined && type !== 'File') {
    throw invalid('TimeRange is missing');
  }
  if (range !== undefined && !((range.Begin as number) < (range.End as number)))
    throw invalid('Begin must be before End');
  if (schedule?.Until !== undefined && (schedule.Until as number) < (schedule.Start as number)) {
    throw invalid('Until must not be before Start');
  }
  if (range !== undefined) {
    const bound = selectionBound(archive, {
      type,
      filter: null,
      axis: 'filing',
      visibleTo: now * 1000,
      begin: (range.Begin as number) * 1000,
      end: (range.End as number) * 1000,
    });
    if (bound > rules.maxElements) {
      throw new EddsFault(
        'LIMIT_EXCEEDED',
        `the interval holds up to ${bound} elements, more than ${rules.maxElements}`,
      );
    }
  }
  const submittedAt = Math.trunc(now);
  const id = freshId(kind, type, domain, submittedAt, taken);
  const asked = (stream ? request.End : request.ExpiryTime) as number | undefined;
  return {
    id,
    user: user.user,
    kind,
    submittedAt,
    request,
    expiresAt: asked ?? submittedAt + EXPIRY,
    state: 'SUBMITTED',
    error: null,
    reason: null,
    parts: [],
    coveredTo:
      schedule === undefined ? submittedAt : Math.trunc(schedule.Start as number) - (schedule.Period as number),
    dueAt: stream
      ? submittedAt + ((request.PartSeconds as number | undefined) ?? 60) * 1000
      : schedule === undefined
        ? submittedAt + rules.startDelay
        : Math.trunc(schedule.Start as number),
  };
}

function checkFormat(request: Values, type: string): void {
  if (request.Format === 'HEX' && !type.startsWith('PktTm')) {
    throw new EddsFault('UNSUPPORTED_TYPE', `${type} is not offered as HEX`);
  }
}

function checkDelivery(request: Values, user: SimulatedUser, rules: SubmissionRules): void {
  const server = (request.Delivery as Values | undefined)?.FileServerDelivery as Values | undefined;
  if (server === undefined) return;
  if (user.fileServers === false) throw new EddsFault('ACCESS_DENIED', 'file servers are not granted');
  if (String(server.Directory) === '') throw invalid('Directory is empty');
  if (server.Protocol === 'FILE') {
    if (!withinRoots(String(server.Directory), rules.fileRoots)) {
      throw new EddsFault('ACCESS_DENIED', 'the folder is outside the configured roots');
    }
  } else if (server.Host === undefined || server.Host === '') throw invalid('Host is missing');
}

function freshId(
  kind: Job['kind'],
  type: string,
  domain: string,
  submittedAt: number,
  taken: (id: string) => boolean,
): string {
  const letter = (): string => 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'[randomInt(52)]!;
  for (;;) {
    const letters = letter() + letter() + letter() + letter();
    const id = formatRequestId({
      kind,
      type,
      domain,
      number: 0,
      submittedAt: BigInt(submittedAt) * 1_000_000n,
      letters,
    });
    if (!taken(id)) return id;
  }
}
