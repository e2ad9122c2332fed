import { copyFile, rm } from 'node:fs/promises';
import { formatFileName, parseFileName } from '../../src/formats/edds-response/index.js';
import type { Archive } from './archive/index.js';
import type { FaultControl } from './control.js';
import { deliverFiles } from './deliver.js';
import { filterOf, makeRun } from './produce.js';
import type { DataType, Selection } from './selection.js';
import type { Job, PartRecord, StateFile } from './state.js';
import type { Values } from './values.js';

export interface JobTimes {
  /** Milliseconds a one-off batch is ACTIVE. */
  readonly duration: number;
  /** Milliseconds that the parts of a stream stay after its end. */
  readonly streamRetention: number;
  /** Milliseconds between looks at the jobs. */
  readonly tick: number;
}

export interface JobEngineOptions {
  readonly file: StateFile;
  readonly archives: Readonly<Record<string, Archive>>;
  readonly control: FaultControl;
  readonly now: () => number;
  readonly times: JobTimes;
  readonly partWhenEmpty: boolean;
  readonly partElements: number;
  readonly fileRoots: readonly string[];
  readonly onError: (error: unknown) => void;
}

const ENDED: ReadonlySet<Job['state']> = new Set(['COMPLETED', 'FAILED', 'CANCELLED', 'EXPIRED']);

export function hasEnded(job: Job): boolean {
  return ENDED.has(job.state);
}

/** Carries jobs through their states: SUBMITTED, ACTIVE, COMPLETED or FAILED, EXPIRED. Every change is saved. */
export function jobEngine(options: JobEngineOptions) {
  const { file, control, now, times } = options;
  const busy = new Map<string, Promise<void>>();

  const finish = async (
    job: Job,
    state: Job['state'],
    { error = null, reason = null, ...changes }: Partial<Job> = {},
  ): Promise<void> => {
    if (!hasEnded(file.latest(job))) await file.commit(job, { ...changes, state, error, reason });
  };

  const expire = async (job: Job): Promise<void> => {
    const files = job.parts.map((part) => part.fileName);
    await file.commit(job, { state: 'EXPIRED' });
    await Promise.all(files.map((name) => rm(file.partPath(name), { force: true })));
  };

  /** Runs and delivers: all parts that the job then has, or null when it was ended meanwhile or failed. */
  const run = async (
    job: Job,
    selection: Omit<Selection, 'type' | 'filter' | 'visibleTo'>,
    partWhenEmpty: boolean,
  ): Promise<readonly PartRecord[] | null> => {
    const madeAt = Math.trunc(now());
    const made = await makeRun({
      job,
      madeAt,
      partWhenEmpty,
      partElements: options.partElements,
      firstOrdinal: job.parts.length + 1,
      switches: control.switches,
      partPath: file.partPath,
      archive: options.archives[String(job.request.Domain)]!,
      selection: {
        ...selection,
        type: job.request.DataType as DataType,
        filter: filterOf(job.request),
        visibleTo: madeAt * 1000,
      },
    });
    if (hasEnded(job)) return null;
    const server = (job.request.Delivery as Values | undefined)?.FileServerDelivery as Values | undefined;
    if (server !== undefined && !(await delivered(job, server, made))) return null;
    return [...job.parts, ...made];
  };

  const delivered = async (job: Job, server: Values, made: readonly PartRecord[]): Promise<boolean> => {
    const files = made.map(({ fileName }) => ({ fileName, path: file.partPath(fileName) }));
    try {
      await deliverFiles(server, files, options.fileRoots);
      return true;
    } catch (error) {
      const password = server.Password === undefined ? '' : String(server.Password);
      const text = error instanceof Error ? error.message : String(error);
      const reason = password === '' ? text : text.replaceAll(password, '***');
      await finish(job, 'FAILED', {
        error: 'DELIVERY_FAILED',
        reason: `the file server did not take the files: ${reason}`,
      });
      return false;
    } finally {
      await Promise.all(files.map(({ path }) => rm(path, { force: true })));
    }
  };

  const advanceBatch = async (job: Job, at: number): Promise<void> => {
    const { fail, stuck, delay } = control.switches;
    if (at < job.dueAt + delay) return;
    if (job.state === 'SUBMITTED') {
      await file.commit(job, { state: 'ACTIVE', dueAt: at + times.duration });
      return;
    }
    if (stuck) return;
    if (fail !== null) return finish(job, 'FAILED', { error: 'INTERNAL', reason: fail });
    const range = job.request.TimeRange as Values | undefined;
    const parts = await run(job, rangeOf(range), options.partWhenEmpty);
    if (parts !== null) await finish(job, 'COMPLETED', { parts });
  };

  const advanceSchedule = async (job: Job, at: number, schedule: Values): Promise<void> => {
    if (job.state === 'SUBMITTED') await file.commit(job, { state: 'ACTIVE' });
    if (control.switches.stuck) return;
    if (control.switches.fail !== null)
      return finish(job, 'FAILED', { error: 'INTERNAL', reason: control.switches.fail });
    const until = (schedule.Until as number | undefined) ?? job.expiresAt;
    if (job.dueAt > until) return finish(job, 'COMPLETED');
    if (at < job.dueAt) return;
    const range = job.request.TimeRange as Values | undefined;
    const since =
      range === undefined
        ? { begin: job.coveredTo * 1000, end: job.dueAt * 1000, axis: 'filing' as const }
        : rangeOf(range);
    const parts = await run(job, since, options.partWhenEmpty);
    if (parts === null) return;
    const dueAt = job.dueAt + (schedule.Period as number);
    const progress = { parts, coveredTo: job.dueAt, dueAt };
    if (dueAt > until) await finish(job, 'COMPLETED', progress);
    else await file.commit(job, progress);
  };

  const advanceStream = async (job: Job, at: number): Promise<void> => {
    if (job.state === 'SUBMITTED') await file.commit(job, { state: 'ACTIVE' });
    if (control.switches.stuck) return;
    if (control.switches.fail !== null)
      return finish(job, 'FAILED', { error: 'INTERNAL', reason: control.switches.fail });
    const closing = Math.min(job.dueAt, job.expiresAt);
    if (at < closing) return;
    const window = { begin: job.coveredTo * 1000, end: closing * 1000, axis: 'creation' } as const;
    const parts = await run(job, window, false);
    if (parts === null) return;
    const dueAt = closing + ((job.request.PartSeconds as number | undefined) ?? 60) * 1000;
    const progress = { parts, coveredTo: closing, dueAt };
    if (closing >= job.expiresAt) await finish(job, 'COMPLETED', progress);
    // Of a window without data nothing shows; after a crash it is looked through again.
    else if (parts.length === job.parts.length) Object.assign(job, progress);
    else await file.commit(job, progress);
  };

  const advance = async (job: Job): Promise<void> => {
    const at = now();
    const stream = job.kind === 'StreamRequest';
    if (hasEnded(job)) {
      if (job.state !== 'EXPIRED' && at > job.expiresAt + (stream ? times.streamRetention : 0)) await expire(job);
      return;
    }
    if (stream) return advanceStream(job, at);
    if (at > job.expiresAt) return expire(job);
    const schedule = job.request.Schedule as Values | undefined;
    return schedule === undefined ? advanceBatch(job, at) : advanceSchedule(job, at, schedule);
  };

  const tick = (): void => {
    for (const job of file.state.jobs) {
      if (job.state === 'EXPIRED' || busy.has(job.id)) continue;
      const work = advance(job)
        .catch((error) => {
          options.onError(error);
          return finish(job, 'FAILED', { error: 'INTERNAL', reason: 'the request could not be carried out' });
        })
        .catch(options.onError)
        .finally(() => busy.delete(job.id));
      busy.set(job.id, work);
    }
  };

  const timer = setInterval(tick, times.tick);

  return {
    async cancel(job: Job): Promise<void> {
      await finish(job, 'CANCELLED');
    },
    /** The same part again under a new name and time. */
    async reissue(job: Job, ordinal: number): Promise<PartRecord> {
      const index = job.parts.findIndex((part) => part.ordinal === ordinal);
      const old = job.parts[index];
      if (old === undefined) throw new Error(`${job.id} has no part ${ordinal}`);
      const madeAt = Math.max(Math.trunc(now()), old.madeAt + 1);
      if (job.kind === 'StreamRequest') {
        const name = parseFileName(old.fileName)!;
        const fileName = formatFileName({ ...name, requestId: job.id, madeAt: BigInt(madeAt) * 1_000_000n });
        await copyFile(file.partPath(old.fileName), file.partPath(fileName));
        const copy = { ...old, fileName, madeAt };
        await file.commit(job, { parts: job.parts.with(index, copy) });
        return copy;
      }
      const range = job.request.TimeRange as Values | undefined;
      const [made] = await makeRun({
        job,
        madeAt,
        partWhenEmpty: true,
        partElements: options.partElements,
        firstOrdinal: ordinal,
        switches: control.switches,
        partPath: file.partPath,
        archive: options.archives[String(job.request.Domain)]!,
        selection: {
          ...rangeOf(range),
          type: job.request.DataType as DataType,
          filter: filterOf(job.request),
          visibleTo: now() * 1000,
        },
      });
      const again = { ...made!, ordinal };
      await file.commit(job, { parts: job.parts.with(index, again) });
      return again;
    },
    async stop(): Promise<void> {
      clearInterval(timer);
      await Promise.all(busy.values());
    },
  };
}

export type JobEngine = ReturnType<typeof jobEngine>;

function rangeOf(range: Values | undefined): Omit<Selection, 'type' | 'filter' | 'visibleTo'> {
  if (range === undefined) return { begin: 0, end: Number.MAX_SAFE_INTEGER, axis: 'filing' };
  return {
    begin: (range.Begin as number) * 1000,
    end: (range.End as number) * 1000,
    axis: range.TimeField === 'CreationTime' ? 'creation' : 'filing',
  };
}
