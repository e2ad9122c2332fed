import type { Kysely } from 'kysely';
import { parseRequestId } from '../../src/formats/edds-response/index.js';
import { isMpdError, MpdError } from '../../src/mpd/index.js';
import type { ProductRow } from './entry.js';
import { type JobRow, plannedJob, updateJob } from './job.js';
import type { JobsOptions } from './job-options.js';
import { batchTimes } from './job-times.js';
import { endPast, ordersOfOpenPast } from './past.js';
import { filterOf, ruleOf } from './request.js';
import { requestName, type Submission } from './submit.js';
import type { EddsTables } from './tables.js';

/** Submits planned jobs, and says of those that EDDS did not accept why. */
export function jobStarter(options: JobsOptions) {
  const { db, service, submitter, clock, log, placing } = options;

  const start = async (job: JobRow, row: ProductRow, signal: AbortSignal): Promise<void> => {
    const { rule } = ruleOf(service.profile, row);
    const filter = filterOf(rule, row);
    const sentAt = job.submitted_ns;
    const kind: Submission['kind'] = job.purpose === 'stream' ? 'stream' : 'batch';
    // What has to be compared with what came before cannot be sent by EDDS.
    const own = job.purpose === 'fill' || job.purpose === 'past' ? null : job.made_for;
    const server = own === null ? null : await placing.request(own, kind);
    if (sentAt !== null && job.placed !== (server !== null)) {
      await updateJob(db, job, { name: requestName(), submitted_ns: null, placed: false });
      return;
    }
    if (sentAt === null) await updateJob(db, job, { submitted_ns: clock(), placed: server !== null });
    const values = { ...filter, ...server?.values };
    const submission =
      kind === 'stream'
        ? { kind, dataType: rule.stream!, values: { ...values, partSeconds: options.partSeconds } }
        : { kind, dataType: rule.batch!, values: { ...values, ...batchTimes(job, rule, options.period) } };
    const requestId = await submitter
      .submit({ ...submission, name: job.name, sentAt }, signal)
      .catch(async (error: unknown) => {
        if (server === null) throw error;
        const reason = server.scrub((error as Error).message);
        if (!isMpdError(error) || (error.class !== 'refuse' && error.class !== 'fatal'))
          throw new MpdError('Internal', { class: isMpdError(error) ? error.class : 'retry', message: reason });
        await placing.failed(own!, `EDDS refused to send: ${reason}`);
        await updateJob(db, job, { submitted_ns: null, placed: false });
        return null;
      });
    if (requestId === null) return;
    const startedAt = parseRequestId(requestId)?.submittedAt ?? clock();
    await db.transaction().execute(async (trx) => {
      const started = job.purpose === 'stream' ? { begin_ns: startedAt, covered_ns: startedAt } : {};
      const now = await trx
        .updateTable('edds_job')
        .set({ request_id: requestId, state: 'submitted', details: '{}', ...started })
        .where('id', '=', job.id)
        .returning('orders')
        .executeTakeFirstOrThrow();
      if (job.purpose !== 'stream') return;
      const apart = await ordersOfOpenPast(trx, job);
      await endPast(trx, job, startedAt);
      const orders = now.orders.filter((order) => !apart.has(order));
      if (rule.creation !== undefined && job.covered_ns < startedAt && orders.length > 0)
        await planFill(trx, { ...job, orders }, startedAt);
    });
    log.info({ requestId, selection: job.selection, purpose: job.purpose }, 'EDDS works for standing orders');
  };

  const refused = (job: JobRow, error: unknown) =>
    updateJob(db, job, {
      state: 'failed',
      // Refused is not lost: there is nothing to look for.
      ...(isMpdError(error) && (error.class === 'refuse' || error.class === 'fatal') && { submitted_ns: null }),
      details: JSON.stringify({
        ...job.details,
        State: 'not accepted',
        Error: isMpdError(error) ? error.code : 'Internal',
        Reason: (error as Error).message,
      }),
    });

  return { start, refused };
}

/** What was created between two streams, or between the order and the start of its stream. */
const planFill = (trx: Kysely<EddsTables>, job: JobRow, end: bigint) =>
  trx
    .insertInto('edds_job')
    .values(plannedJob({ ...job, purpose: 'fill', begin_ns: job.covered_ns, end_ns: end }))
    .execute();
