import type { Insertable, Kysely, Selectable, Updateable } from 'kysely';
import { requestName } from './submit.js';
import type { EddsTables, JobTable } from './tables.js';

export type JobRow = Selectable<JobTable>;

type Needed = 'backend' | 'selection' | 'purpose' | 'orders' | 'begin_ns' | 'end_ns';
type Optional = 'covered_ns' | 'made_for' | 'follows' | 'joined_ns';

/** A job that is yet to be sent, under a name of its own. Nothing of what another row says of the way it went is taken over. */
export const plannedJob = (plan: Pick<JobRow, Needed> & Partial<Pick<JobRow, Optional>>): Insertable<JobTable> => ({
  backend: plan.backend,
  selection: plan.selection,
  purpose: plan.purpose,
  name: requestName(),
  orders: JSON.stringify(plan.orders),
  begin_ns: plan.begin_ns,
  end_ns: plan.end_ns,
  submitted_ns: null,
  request_id: null,
  state: 'planned',
  details: '{}',
  parts: 0,
  covered_ns: plan.covered_ns ?? plan.begin_ns,
  done: false,
  made_for: plan.made_for ?? null,
  follows: plan.follows ?? null,
  joined_ns: plan.joined_ns ?? null,
});

export const updateJob = (db: Kysely<EddsTables>, { id }: JobRow, set: Updateable<JobTable>) =>
  db.updateTable('edds_job').set(set).where('id', '=', id).execute();
