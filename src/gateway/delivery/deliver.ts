import type { Kysely } from 'kysely';
import type { Log } from '../../store/log.js';
import type { Backend } from '../backend.js';
import type { Backends } from '../backends.js';
import { crashPoint } from '../crash-point.js';
import type { CoreTables, FileState } from '../schema.js';
import type { Targets } from '../targets.js';
import type { Backoff } from './backoff.js';
import { outcomeOf } from './failure.js';
import { LeaseLost } from './held-rows.js';
import type { DeliveryMetrics } from './metrics.js';
import { givenBack, type Outcome } from './outcome.js';
import type { PauseKey, Pauses } from './pauses.js';
import type { Claimed } from './rows.js';
import { TransferError, type TransferOptions, transfer } from './transfer.js';

export interface DeliverDependencies {
  readonly db: Kysely<CoreTables>;
  readonly backends: Backends;
  readonly targets: Targets;
  readonly pauses: Pauses;
  readonly log: Log;
  readonly metrics: DeliveryMetrics;
  readonly backoff: Backoff;
  readonly random: () => number;
  /** Writes what became of a row; undefined when the row is no longer ours. */
  readonly record: (outcome: Outcome) => Promise<FileState | undefined>;
  /** Aborted when this process stops. */
  readonly stopping: AbortSignal;
}

/** Takes one leased row to its next state: sends, records that it landed, tells it; or records why not. */
export type Deliver = (
  claimed: Claimed,
  signal: AbortSignal,
  options: Omit<TransferOptions, 'progress'>,
  /** Called when only the store is still waited for. */
  transferred: () => void,
) => Promise<void>;

export function createDeliver(deps: DeliverDependencies): Deliver {
  const { db, backends, targets, pauses, log, metrics, backoff, random, record, stopping } = deps;

  return async (claimed, signal, options, transferred) => {
    const { row, path, filename } = claimed;
    const started = performance.now();
    let bytes = 0;
    const names = { delivery: String(row.id), order: String(row.order_id), epoch: String(row.epoch) };
    const lost = () => record({ kind: 'lost', row, path, bytes });
    // It broke down after this row was taken.
    if (pauses.isPaused(targetKey(claimed)) || pauses.isPaused(backendKey(claimed))) {
      await record(givenBack(row, { path, filename }));
      return;
    }
    const backend = backends.byId(row.backend);
    if (backend === undefined) {
      const cause = `backend ${row.backend} is not configured`;
      const base = { kind: 'postponed', row, path, filename, reason: 'attempt', errorClass: 'retry' } as const;
      await record({ ...base, cause, delayMs: backoff.longestMs, bytes });
      return;
    }
    try {
      signal.throwIfAborted();
      const progress = (sent: number): void => {
        bytes = sent;
      };
      const file = await transfer(claimed, backend, { ...options, progress }, signal);
      const seconds = (performance.now() - started) / 1000;
      transferred();
      pauses.succeed(targetKey(claimed));
      pauses.succeed(backendKey(claimed));
      if ((await record({ kind: 'landed', row, path, file })) !== 'landed') {
        await lost();
        return;
      }
      metrics.transferred?.({ target: row.target }, seconds, file.bytes);
      crashPoint('after-landed');
      crashPoint('before-final');
      const state = await record({ kind: 'notified', row, path, file });
      crashPoint('after-final');
      if (state === 'notified')
        log.info({ ...names, location: file.location, bytes: file.bytes, seconds }, 'delivered');
      else await lost();
    } catch (error) {
      await failed(error, claimed, backend, bytes, signal);
    }
  };

  async function failed(
    error: unknown,
    claimed: Claimed,
    backend: Backend,
    bytes: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { row, path, filename } = claimed;
    const lost = { kind: 'lost', row, path, bytes } as const;
    if (error instanceof LeaseLost) {
      await record(lost);
    } else if (stopping.aborted && error === stopping.reason) {
      await record(givenBack(row, { path, filename, bytes }));
    } else if (error instanceof TransferError) {
      const { fault, side } = error;
      log.warn(
        { delivery: String(row.id), order: String(row.order_id), err: fault, side },
        'a delivery did not succeed',
      );
      if (fault.class === 'target-down') pause(error, claimed, backend);
      const outcome = await outcomeOf(error, claimed, { db, backend, backoff, random, bytes, signal });
      if ((await record(outcome)) === undefined) await record(lost);
    } else throw error;
  }

  function pause({ side, fault }: TransferError, claimed: Claimed, backend: Backend): void {
    if (side === 'source') {
      pauses.fail(backendKey(claimed), fault.message, () => backend.check());
      return;
    }
    pauses.fail(targetKey(claimed), fault.message, async (signal) => {
      const probed = await targets.probe(claimed.destination, signal);
      if (probed.status === 'ok') return { ok: true, reason: 'the probe succeeded' };
      return { ok: false, reason: probed.reason };
    });
  }
}

const targetKey = ({ row }: Claimed): PauseKey => `target ${row.target}`;
const backendKey = ({ row }: Claimed): PauseKey => `backend ${row.backend}`;
