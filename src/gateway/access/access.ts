import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { decodeTree, encodeTree } from '../../mpd/filter/index.js';
import { MpdError, unknown } from '../../mpd/index.js';
import type { Access, ApiKeyInfo, Principal } from '../api.js';
import { lockOrders } from '../orders/live.js';
import { suspendOrders } from '../orders/suspend.js';
import type { ApiKeyTable, CoreTables, PrincipalTable } from '../schema.js';
import { nsOfDate } from '../values.js';
import { createShortMemory } from './short-memory.js';
import { type Sight, sightOf } from './sight.js';

/** `mpd_<id>_<secret>`: the id finds the row, the secret (256 random bits) proves it. */
const KEY = /^mpd_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

/** Channel on which every process learns that keys or principals have changed. */
export const ACCESS_CHANNEL = 'mpd_access';

/**
 * How old the answer to "who is this?" may be, in ms, should the word of another process (a key revoked, a principal disabled,
 * a policy) get lost; what this process changes holds at once.
 */
export const KNOWN_MS = 1000;
/** Principals and keys remembered at once. */
const MOST_KNOWN = 1000;

export interface RememberingAccess extends Access {
  /** Keys or principals have changed elsewhere. */
  forget(): void;
}

export function createAccess(db: Kysely<CoreTables>, holdMs = KNOWN_MS): RememberingAccess {
  const sights = new WeakMap<Principal, Sight>();
  const known = createShortMemory<Principal>({ holdMs, most: MOST_KNOWN });

  /** A change that every process is told of; nothing from before it is remembered, also when it is not known whether it was made. */
  async function changing<T>(change: (tx: Transaction<CoreTables>) => Promise<T>): Promise<T> {
    try {
      return await db.transaction().execute(async (tx) => {
        await sql`select pg_notify(${ACCESS_CHANNEL}, '')`.execute(tx);
        return change(tx);
      });
    } finally {
      known.clear();
    }
  }

  async function byKey(id: string, secret: Buffer) {
    const row = await db
      .selectFrom('api_key as k')
      .innerJoin('principal as p', 'p.id', 'k.principal')
      .select(['k.hash', 'k.used_at', 'p.id', 'p.role', 'p.policy', 'p.disabled'])
      .select(sql<number | null>`(extract(epoch from k.expires_at - now()) * 1000)::float8`.as('left_ms'))
      .where('k.id', '=', id)
      .where('k.revoked_at', 'is', null)
      .where((eb) => eb.or([eb('k.expires_at', 'is', null), eb('k.expires_at', '>', sql<Date>`now()`)]))
      .executeTakeFirst();
    if (!row || !timingSafeEqual(row.hash, secret) || row.disabled) throw badKey();
    if (row.used_at === null || Date.now() - row.used_at.getTime() > 60_000)
      await db.updateTable('api_key').set({ used_at: sql<Date>`now()` }).where('id', '=', id).execute();
    return { value: principalOf(row), holdMs: row.left_ms ?? Number.POSITIVE_INFINITY };
  }

  return {
    forget: () => known.clear(),

    async authenticate(key) {
      const [, id, text] = KEY.exec(key) ?? [];
      if (id === undefined || text === undefined) throw badKey();
      const secret = digest(text);
      return known.get(`key ${id} ${secret.toString('base64')}`, () => byKey(id, secret));
    },

    principal: (id) =>
      known.get(`principal ${id}`, async () => {
        const row = await db
          .selectFrom('principal')
          .select(['id', 'role', 'policy', 'disabled'])
          .where('id', '=', id)
          .executeTakeFirst();
        if (!row) throw denied('Authorisation Fail', `there is no principal ${id}`);
        if (row.disabled) throw denied('Authorisation Fail', `principal ${id} is disabled`);
        return { value: principalOf(row), holdMs: Number.POSITIVE_INFINITY };
      }),

    async createKey(principal, { label, expiresAt }) {
      const known = await db.selectFrom('principal').select('id').where('id', '=', principal).executeTakeFirst();
      if (!known)
        throw unknown(null, `there is no principal ${principal}; add it to access.principals in gateway.yaml`);
      const id = randomBytes(6).toString('hex');
      const secret = randomBytes(32).toString('base64url');
      await db
        .insertInto('api_key')
        .values({
          id,
          principal,
          hash: digest(secret),
          label: label ?? null,
          expires_at: expiresAt === undefined ? null : new Date(Number(expiresAt / 1_000_000n)),
        })
        .execute();
      return { id, key: `mpd_${id}_${secret}` };
    },

    async listKeys(principal) {
      let query = db.selectFrom('api_key').selectAll().orderBy('created_at').orderBy('id');
      if (principal !== undefined) query = query.where('principal', '=', principal);
      return (await query.execute()).map(keyInfo);
    },

    async revokeKey(id) {
      const row = await changing((tx) =>
        tx
          .updateTable('api_key')
          .set({ revoked_at: sql<Date>`coalesce(revoked_at, now())` })
          .where('id', '=', id)
          .returning('id')
          .executeTakeFirst(),
      );
      if (!row) throw unknown(null, `there is no API key ${id}`);
    },

    setDisabled: (principal, disabled) =>
      changing(async (tx) => {
        await lockOrders(tx);
        const row = await tx
          .updateTable('principal')
          .set({ disabled })
          .where('id', '=', principal)
          .returning('id')
          .executeTakeFirst();
        if (!row) throw unknown(null, `there is no principal ${principal}`);
        await suspendOrders(tx, [principal], disabled);
      }),

    syncConfigured: (principals) =>
      changing(async (tx) => {
        await lockOrders(tx);
        const before = await tx.selectFrom('principal').select(['id', 'disabled', 'origin']).execute();
        for (const { id, role, policy, disabled = false } of principals) {
          const row = {
            role,
            policy: policy && JSON.stringify(encodeTree(policy)),
            disabled,
            origin: 'config' as const,
          };
          await tx
            .insertInto('principal')
            .values({ id, ...row })
            .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
            .execute();
        }
        const configured = new Map(principals.map((principal) => [principal.id, principal.disabled ?? false]));
        const gone = before.filter((row) => row.origin === 'config' && !configured.has(row.id)).map((row) => row.id);
        if (gone.length > 0)
          await tx.updateTable('principal').set({ disabled: true }).where('id', 'in', gone).execute();
        const ids = [...configured.keys()];
        await suspendOrders(tx, [...gone, ...ids.filter((id) => configured.get(id))], true);
        await suspendOrders(
          tx,
          ids.filter((id) => !configured.get(id)),
          false,
        );
      }),

    allows(principal, entry) {
      let sight = sights.get(principal);
      if (!sight) {
        sight = sightOf(principal.policy);
        sights.set(principal, sight);
      }
      return sight(entry);
    },
  };
}

/** Whether the principal may act for others: see and change their orders. */
export const isOperator = (principal: Principal): boolean => principal.role !== 'consumer';

export function requireOperator(principal: Principal, what: string): void {
  if (!isOperator(principal)) throw denied('Authorisation Fail', `${what} needs the role operator`);
}

export const denied = (code: 'Authentication Failed' | 'Authorisation Fail', message: string): MpdError =>
  new MpdError(code, { class: 'refuse', message, extraInformation: message });

const badKey = (): MpdError =>
  denied('Authentication Failed', 'the API key is not valid: unknown, revoked, expired, or its owner is disabled');

const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest();

const principalOf = (row: Pick<Selectable<PrincipalTable>, 'id' | 'role' | 'policy'>): Principal => ({
  id: row.id,
  role: row.role,
  policy: row.policy === null ? null : decodeTree(row.policy),
});

const ns = (date: Date | null): bigint | null => (date === null ? null : nsOfDate(date));

const keyInfo = (row: Selectable<ApiKeyTable>): ApiKeyInfo => ({
  id: row.id,
  principal: row.principal,
  label: row.label,
  createdAt: nsOfDate(row.created_at),
  usedAt: ns(row.used_at),
  expiresAt: ns(row.expires_at),
  revokedAt: ns(row.revoked_at),
});
