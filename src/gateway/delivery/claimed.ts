import type { Kysely } from 'kysely';
import { isMpdError, toMpdError } from '../../mpd/index.js';
import { withRetry } from '../../store/index.js';
import { compileSight } from '../access/sight.js';
import type { Backends } from '../backends.js';
import { formFileName, formsOf } from '../forms.js';
import type { CoreTables } from '../schema.js';
import type { Destination, Targets } from '../targets.js';
import { entryOf } from '../values.js';
import { givenBack, type Outcome } from './outcome.js';
import { deliveryPath } from './path-template.js';
import type { Claimed, DeliveryRow } from './rows.js';
import { claimPaths, type PathAnswer, type PathClaim, targetPath } from './target-path.js';

export interface Prepared {
  /** May be sent now. */
  readonly ready: readonly Claimed[];
  /** May not, with what is to be written of them. */
  readonly settled: readonly Outcome[];
}

/** Finds out where leased rows go and takes their paths. */
export async function prepare(
  db: Kysely<CoreTables>,
  rows: readonly DeliveryRow[],
  targets: Targets,
  backends: Pick<Backends, 'byId'>,
  options: { readonly ttlMs: number; readonly busyMs: number },
): Promise<Prepared> {
  const settled: Outcome[] = [];
  const placed = new Map<string, Omit<Claimed, 'abandoned'>>();
  for (const row of rows) {
    const place = placeOf(row, targets, backends);
    if ('kind' in place) {
      settled.push(place);
      continue;
    }
    const key = JSON.stringify([place.path.target, place.path.path]);
    if (placed.has(key)) settled.push(givenBack(row, { filename: place.filename, delayMs: options.busyMs }));
    else placed.set(key, place);
  }
  const claims: PathClaim[] = [...placed.values()];
  const answers = await withRetry(db, (tx) => claimPaths(tx, claims, options.ttlMs));
  const ready: Claimed[] = [];
  for (const place of placed.values()) {
    const answer = answers.get(place.row.id)!;
    if (answer.status === 'taken') ready.push({ ...place, abandoned: answer.abandoned });
    else settled.push(refused(place, answer, options.busyMs));
  }
  return { ready, settled };
}

function placeOf(
  row: DeliveryRow,
  targets: Targets,
  backends: Pick<Backends, 'byId'>,
): Omit<Claimed, 'abandoned'> | Outcome {
  let filename = row.filename;
  try {
    const entry = entryOf(row);
    if (row.owner_policy !== null && !compileSight(row.owner_policy)(entry)) {
      const cause = 'the owner of the order may no longer see this product';
      return { kind: 'ended', row, path: null, filename, state: 'withdrawn', errorClass: null, cause, bytes: 0 };
    }
    // What has no such form goes as it came.
    const form = formsOf(backends.byId(row.backend), entry).find(({ name }) => name === row.form) ?? null;
    const plain = deliveryPath(entry, row.path_template);
    filename ??= form === null ? plain : formFileName(plain, form);
    const destination: Destination = targets.resolve(row.deliver_to, row.secret);
    return { row, entry, destination, filename, form, path: targetPath(destination.uri, filename) };
  } catch (error) {
    const fault = isMpdError(error) ? error : toMpdError(error);
    const cause = fault.message;
    return { kind: 'ended', row, path: null, filename, state: 'dead', errorClass: 'refuse', cause, bytes: 0 };
  }
}

function refused(
  { row, filename }: Omit<Claimed, 'abandoned'>,
  answer: Exclude<PathAnswer, { status: 'taken' }>,
  busyMs: number,
): Outcome {
  const base = { row, path: null, filename, bytes: 0 };
  if (answer.status === 'superseded')
    return { ...base, kind: 'ended', state: 'superseded', errorClass: null, cause: answer.reason };
  if (answer.status === 'conflict')
    return { ...base, kind: 'ended', state: 'dead', errorClass: 'refuse', cause: answer.reason };
  return givenBack(row, { filename, delayMs: busyMs });
}
