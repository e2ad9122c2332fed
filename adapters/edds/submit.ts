import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseFileName, parseRequestId } from '../../src/formats/edds-response/index.js';
import { parseTime } from '../../src/formats/time.js';
import { isMpdError, MpdError } from '../../src/mpd/index.js';
import { means } from './fault.js';
import { gate } from './gate.js';
import type { EddsService, JobStatus, Neutral } from './service.js';

/** Our clock and that of EDDS may differ by so much, ns. */
const SKEW = 120_000_000_000n;
const ATTEMPTS = 3;

export interface Submission {
  readonly kind: 'batch' | 'stream';
  /** Data type as the site names it. */
  readonly dataType: string;
  /** In front of the file names of this request and of no other. */
  readonly name: string;
  readonly values: Neutral;
  /** When it was sent for the first time, ns: where to look for it if the answer was lost. Null = it was never sent. */
  readonly sentAt: bigint | null;
}

/** A file shows that the request it belongs to was sent by somebody else. */
export class ForeignRequest extends MpdError {
  constructor(requestId: string) {
    super('Internal', { class: 'retry', message: `request ${requestId} is not the one that the gateway sent` });
  }
}

/** A name that no other request has. */
export const requestName = (): string => `mpd-${randomBytes(6).toString('hex')}`;

/**
 * Submits requests once: when it is not known what became of one, it is looked for among the jobs of the account before it
 * is sent again. Its identity is proved by the name in front of its first file.
 */
export function submitter(service: EddsService, clock: () => bigint, known: (requestId: string) => Promise<boolean>) {
  const one = gate(1);
  const foreign = new Set<string>();
  const own = new Set<string>();

  const candidates = async (
    submission: Submission,
    since: bigint,
    signal: AbortSignal,
  ): Promise<JobStatus | undefined> => {
    const jobs = await service.list(since - SKEW, signal);
    const fitting: JobStatus[] = [];
    for (const job of jobs) {
      if (own.has(job.requestId) || foreign.has(job.requestId) || (await known(job.requestId))) continue;
      const id = parseRequestId(job.requestId);
      const submitted = id?.submittedAt ?? parseTime(job.details.SubmissionTime ?? '');
      const kind = submission.kind === 'stream' ? 'StreamRequest' : 'BatchRequest';
      const ours = id === null || service.mission === null || id.domain === service.mission;
      const fits = ours && (id === null || (id.type === submission.dataType && id.kind === kind));
      if (fits && (submitted === null || submitted >= since - SKEW)) fitting.push(job);
    }
    return fitting.at(-1);
  };

  const send = async (submission: Submission, signal: AbortSignal): Promise<string> => {
    const values = { ...submission.values, name: submission.name, dataType: submission.dataType };
    let since = submission.sentAt;
    for (let attempt = 1; ; attempt++) {
      if (since !== null) {
        const found = await candidates(submission, since, signal);
        if (found !== undefined) return found.requestId;
      }
      since ??= clock();
      try {
        return submission.kind === 'stream'
          ? await service.submitStream(values, signal)
          : await service.submitBatch(values, signal);
      } catch (error) {
        const unsure =
          isMpdError(error) &&
          (error.class === 'retry' || error.class === 'target-down') &&
          !means(error, 'notAuthenticated');
        if (!unsure || attempt >= ATTEMPTS) throw error;
        await sleep(200 * attempt, undefined, { signal });
      }
    }
  };

  return {
    async submit(submission: Submission, signal: AbortSignal): Promise<string> {
      return one.run(async () => {
        const id = await send(submission, signal);
        own.add(id);
        return id;
      }, signal);
    },

    /** @throws ForeignRequest when a file shows that the request it belongs to is not the one of this name */
    verify(requestId: string, name: string, fileName: string): void {
      const parsed = parseFileName(fileName);
      if (parsed === null || parsed.prefix === `${name}.`) return;
      foreign.add(requestId);
      own.delete(requestId);
      throw new ForeignRequest(requestId);
    },
  };
}

export type Submitter = ReturnType<typeof submitter>;
