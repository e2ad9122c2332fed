import { rm } from 'node:fs/promises';
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
    error: string | null = null,
    reason: string | null = null,
  ): Promise<void> => {
    if (hasEnded(job)) return;
    Object.assign(job, { state, error, reason });
    await file.save();
  };

  const expire = async (job: Job): Promise<void> => {
    job.state = 'EXPIRED';
    const files = job.parts.map((part) => part.fileName);
    await file.save();
    await Promise.all(files.map((name) => rm(file.partPath(name), { force: true })));
  };

  /** Runs and delivers; false when the job was ended meanwhile or failed. */
  const run = async (
    job: Job,
    selection: Omit<Selection, 'type' | 'filter' | 'visibleTo'>,
    partWhenEmpty: boolean,
  ): Promise<boolean> => {
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
    if (hasEnded(job)) return false;
    const server = (job.request.Delivery as Values | undefined)?.FileServerDelivery as Values | undefined;
    if (server !== undefined && !(await delivered(job, server, made))) return false;
    job.parts.push(...made);
    return true;
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
      await finish(job, 'FAILED', 'DELIVERY_FAILED', `the file server did not take the files: ${reason}`);
      return false;
    } finally {
      await Promise.all(files.map(({ path }) => rm(path, { force: true })));
    }
  };

  const advanceBatch = async (job: Job, at: number): Promise<void> => {
    const { fail, stuck, delay } = control.switches;
    if (at < job.dueAt + delay) return;
    if (job.state === 'SUBMITTED') {
      job.state = 'ACTIVE';
      job.dueAt = at + times.duration;
      await file.save();
      return;
    }
    if (stuck) return;
    if (fail !== null) return finish(job, 'FAILED', 'INTERNAL', fail);
    const range = job.request.TimeRange as Values | undefined;
    const done = await run(job, rangeOf(range), options.partWhenEmpty);
    if (done) await finish(job, 'COMPLETED');
  };

  const advanceSchedule = async (job: Job, at: number, schedule: Values): Promise<void> => {
    if (job.state === 'SUBMITTED') {
      job.state = 'ACTIVE';
      await file.save();
    }
    if (control.switches.stuck) return;
    if (control.switches.fail !== null) return finish(job, 'FAILED', 'INTERNAL', control.switches.fail);
    const until = (schedule.Until as number | undefined) ?? job.expiresAt;
    if (job.dueAt > until) return finish(job, 'COMPLETED');
    if (at < job.dueAt) return;
    const range = job.request.TimeRange as Values | undefined;
    const since =
      range === undefined
        ? { begin: job.coveredTo * 1000, end: job.dueAt * 1000, axis: 'filing' as const }
        : rangeOf(range);
    if (!(await run(job, since, options.partWhenEmpty))) return;
    job.coveredTo = job.dueAt;
    job.dueAt += schedule.Period as number;
    await file.save();
    if (job.dueAt > until) await finish(job, 'COMPLETED');
  };

  const advanceStream = async (job: Job, at: number): Promise<void> => {
    if (job.state === 'SUBMITTED') {
      job.state = 'ACTIVE';
      await file.save();
    }
    if (control.switches.stuck) return;
    if (control.switches.fail !== null) return finish(job, 'FAILED', 'INTERNAL', control.switches.fail);
    const closing = Math.min(job.dueAt, job.expiresAt);
    if (at < closing) return;
    const before = job.parts.length;
    if (!(await run(job, { begin: job.coveredTo * 1000, end: closing * 1000, axis: 'creation' }, false))) return;
    job.coveredTo = closing;
    job.dueAt = closing + ((job.request.PartSeconds as number | undefined) ?? 60) * 1000;
    if (closing >= job.expiresAt) await finish(job, 'COMPLETED');
    else if (job.parts.length > before) await file.save();
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
          return finish(job, 'FAILED', 'INTERNAL', 'the request could not be carried out');
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
      const range = job.request.TimeRange as Values | undefined;
      const [made] = await makeRun({
        job,
        madeAt: Math.max(Math.trunc(now()), old.madeAt + 1),
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
      job.parts[index] = { ...made!, ordinal };
      await file.save();
      return job.parts[index]!;
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
