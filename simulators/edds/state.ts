import { mkdirSync, readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveDescription } from './archive/index.js';
import type { JobState } from './shape.js';
import type { Values } from './values.js';

export interface PartRecord {
  /** Position within the request, from 1. */
  readonly ordinal: number;
  /** Number in the file name, from 1 in each run. */
  readonly part: number;
  readonly fileName: string;
  readonly contentType: string;
  readonly size: number;
  readonly elements: number;
  /** Milliseconds since 1970. */
  readonly madeAt: number;
}

/** All times milliseconds since 1970. */
export interface Job {
  readonly id: string;
  readonly user: string;
  readonly kind: 'BatchRequest' | 'StreamRequest';
  readonly submittedAt: number;
  readonly request: Values;
  expiresAt: number;
  state: JobState;
  error: string | null;
  reason: string | null;
  parts: readonly PartRecord[];
  /** Batch: when it starts and when it ends; a schedule: when the next run is due; a stream: when the open part closes. */
  dueAt: number;
  /** Schedule and stream: data up to here have been looked at. */
  coveredTo: number;
}

export interface SimulatorState {
  archives: Record<string, ArchiveDescription>;
  jobs: Job[];
}

/**
 * The state file of a simulator: read at the start, replaced as a whole (and synced) by each save. What `commit` changes shows
 * only once it is on disk, so that a caller never sees what a crash could take back.
 */
export function stateFile(folder: string, initial: () => Record<string, ArchiveDescription>) {
  const path = join(folder, 'state.json');
  mkdirSync(join(folder, 'parts'), { recursive: true });
  const state: SimulatorState = load(path) ?? { archives: initial(), jobs: [] };
  let running: Promise<void> | null = null;
  let queued: Promise<void> | null = null;
  const pending = new Map<Job, Partial<Job>>();

  const write = async (): Promise<void> => {
    const temporary = `${path}.tmp`;
    const file = await open(temporary, 'w', 0o600);
    const included = new Map(pending);
    try {
      const jobs = state.jobs.map((job) => ({ ...job, ...included.get(job) }));
      await file.writeFile(JSON.stringify({ ...state, jobs }));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    for (const [job, changes] of included) {
      Object.assign(job, changes);
      if (pending.get(job) === changes) pending.delete(job);
    }
  };

  /** Resolves once what is in memory now is on disk; saves that wait for each other are one. */
  const save = (): Promise<void> => {
    if (running === null) {
      running = write().finally(() => {
        running = null;
      });
      return running;
    }
    queued ??= running
      .catch(() => undefined)
      .then(() => {
        queued = null;
        return save();
      });
    return queued;
  };

  return {
    state,
    save,
    /** Changes a job: on disk first. */
    commit: (job: Job, changes: Partial<Job>): Promise<void> => {
      pending.set(job, { ...pending.get(job), ...changes });
      return save();
    },
    /** The job as it will be once everything is on disk. */
    latest: (job: Job): Job => ({ ...job, ...pending.get(job) }),
    partPath: (fileName: string) => join(folder, 'parts', encodeURIComponent(fileName)),
  };
}

export type StateFile = ReturnType<typeof stateFile>;

function load(path: string): SimulatorState | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as SimulatorState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`the state file ${path} cannot be read`, { cause: error });
  }
}
