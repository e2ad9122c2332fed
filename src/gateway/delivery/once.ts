import { sql } from 'kysely';
import type { ObjectRef } from '../../mal/index.js';
import { deliveryFailed, invalid, MpdError, tooMany } from '../../mpd/index.js';
import { type Store, withRetry } from '../../store/index.js';
import type { Catalogue, Deliveries, DeliveryInfo, FileDelivered, Principal } from '../api.js';
import type { Entry, Form } from '../backend.js';
import type { Backends } from '../backends.js';
import { enqueue } from '../changes/enqueue.js';
import { ensureJournal } from '../changes/journal.js';
import { EVENT_CHANNEL } from '../events/append.js';
import { formFileName, formsOf, requireForm } from '../forms.js';
import { recordHistory } from '../orders/history.js';
import { targetOrigin } from '../orders/target-origin.js';
import type { CoreTables } from '../schema.js';
import type { AcceptedDestination, Targets } from '../targets.js';
import { deliveryInfo, selectDeliveries } from './ledger.js';
import { deliveryPath } from './path-template.js';
import { createWake } from './wake.js';

export interface OnceDependencies {
  readonly store: Store<CoreTables>;
  readonly backends: Backends;
  readonly targets: Targets;
  readonly catalogue: Catalogue;
  readonly limits: { readonly products: number; readonly deadlineSeconds: number };
}

const PROBE_MS = 20_000;
const POLL_MS = 1_000;

/** deliverProductFiles: an order of kind `once`, with the same ledger behind it as every other. */
export function createOnce(deps: OnceDependencies): Pick<Deliveries, 'deliverFiles'> {
  const { store, targets, catalogue, limits } = deps;
  return {
    async deliverFiles(refs, deliverTo, principal, signal, form = null) {
      if (refs.length === 0) throw invalid('productRefs', 'at least one product is needed');
      if (refs.length > limits.products) throw tooMany(limits.products, refs.length, 'ask in several requests');
      const entries = await catalogue.get(refs, principal, signal);
      const forms = entries.map((entry, i) =>
        form === null ? null : requireForm(form, formsOf(deps.backends.route(refs[i]!), entry), 'form'),
      );
      const accepted = await reach(targets, deliverTo, signal);
      const { orderID, rows } = await placeOrder(deps, refs, entries, forms, accepted, principal);
      return { orderID, files: follow() };

      async function* follow(): AsyncGenerator<FileDelivered> {
        const wake = createWake();
        const unlisten = await store.listen(EVENT_CHANNEL, () => wake.wake());
        try {
          const ended = new Map<bigint, DeliveryInfo>();
          for (let index = 0; index < entries.length; ) {
            const before = wake.count();
            const waiting = rows.slice(index).filter((id) => !ended.has(id));
            for (const info of await endedAmong(store, waiting)) ended.set(info.id, info);
            for (; index < entries.length; index++) {
              const delivery = ended.get(rows[index]!);
              if (delivery === undefined) break;
              yield fileDelivered(index, entries[index]!, delivery);
            }
            if (index < entries.length) await wake.wait(before, POLL_MS, signal);
            if (signal.aborted) return;
          }
        } finally {
          await unlisten();
        }
      }
    },
  };
}

/** Strict: what cannot be delivered to now is refused before anything is answered. */
async function reach(targets: Targets, deliverTo: string, signal: AbortSignal): Promise<AcceptedDestination> {
  let accepted: AcceptedDestination;
  try {
    accepted = targets.accept(deliverTo);
  } catch (error) {
    throw error instanceof MpdError ? deliveryFailed(error.message, 'refuse', error) : error;
  }
  const probed = await targets.probe(accepted.destination, AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]));
  if (probed.status !== 'ok')
    throw deliveryFailed(probed.reason, probed.status === 'refused' ? 'refuse' : 'target-down');
  return accepted;
}

/** Order, journal and ledger rows in one transaction; row ids in the order of the references. */
function placeOrder(
  { store, backends, limits }: OnceDependencies,
  refs: readonly ObjectRef[],
  entries: readonly Entry[],
  forms: readonly (Form | null)[],
  accepted: AcceptedDestination,
  principal: Principal,
): Promise<{ readonly orderID: bigint; readonly rows: readonly bigint[] }> {
  const target = targetOrigin(accepted.deliverTo);
  return withRetry(store.db, async (tx) => {
    const { id: orderId } = await tx
      .insertInto('standing_order')
      .values({
        kind: 'once',
        owner: principal.id,
        state: 'active',
        method: 'FILETRANSFER',
        deliver_to: accepted.deliverTo,
        secret: accepted.secret,
        pause_policy: 'hold',
        on_bad_source: 'deliver-flagged',
        overwrite: true,
        form: forms[0]?.name ?? null,
        deadline_s: limits.deadlineSeconds,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const journalIds = new Array<bigint>(entries.length);
    for (const [backend, indexes] of groupByBackend(backends, refs)) {
      const ids = await ensureJournal(
        tx,
        backend,
        indexes.map((i) => entries[i]!),
      );
      for (const [n, i] of indexes.entries()) journalIds[i] = ids[n]!;
    }
    const matches = [...new Set(journalIds)].map((journalId) => ({
      ...{ orderId, journalId, method: 'FILETRANSFER' as const, target, held: false },
      deadlineSeconds: limits.deadlineSeconds,
    }));
    const written = await enqueue(tx, matches, 'never');
    const byJournal = new Map(written.map((row) => [row.journal_id, row.id]));
    const rows = journalIds.map((id) => byJournal.get(id)!);
    await writeNames(tx, rows, entries, forms);
    await recordHistory(tx, orderId, principal.id, 'submitted', `${entries.length} files`);
    return { orderID: orderId, rows };
  });
}

function groupByBackend(backends: Backends, refs: readonly ObjectRef[]): ReadonlyMap<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const [i, ref] of refs.entries()) {
    const { id } = backends.route(ref);
    groups.set(id, [...(groups.get(id) ?? []), i]);
  }
  return groups;
}

/** Names are known from the start, so that a file that never arrived can be told by its name. */
async function writeNames(
  tx: Parameters<typeof ensureJournal>[0],
  rows: readonly bigint[],
  entries: readonly Entry[],
  forms: readonly (Form | null)[],
): Promise<void> {
  const names = entries.map((entry, i) => {
    const plain = deliveryPath(entry, null);
    const form = forms[i] ?? null;
    return { id: String(rows[i]!), filename: form === null ? plain : formFileName(plain, form) };
  });
  await sql`
    update delivery d set filename = n.filename
    from jsonb_to_recordset(${JSON.stringify(names)}::jsonb) as n(id bigint, filename text) where d.id = n.id`.execute(
    tx,
  );
}

async function endedAmong({ db }: Store<CoreTables>, ids: readonly bigint[]): Promise<readonly DeliveryInfo[]> {
  if (ids.length === 0) return [];
  const rows = await selectDeliveries(db)
    .where('d.id', 'in', [...new Set(ids)])
    .where('d.state', 'in', ['notified', 'dead', 'superseded', 'withdrawn'])
    .execute();
  return rows.map(deliveryInfo);
}

const fileDelivered = (index: number, { metadata }: Entry, delivery: DeliveryInfo): FileDelivered => ({
  index,
  metadata,
  filename: delivery.filename!,
  success: delivery.state === 'notified',
  delivery,
});
