import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { storeMigrations } from '../../store/index.js';
import { type TestStore, testStore } from '../../store/testing.js';
import { coreMigrations } from '../migrations.js';
import type { CoreTables } from '../schema.js';
import { ACCESS_CHANNEL, createAccess, KNOWN_MS, type RememberingAccess } from './access.js';

describe('access', () => {
  let store: TestStore<CoreTables>;
  let access: RememberingAccess;
  beforeEach(async () => {
    store = await testStore<CoreTables>({ migrations: { ...storeMigrations, ...coreMigrations } });
    access = createAccess(store.db);
    await access.syncConfigured([{ id: 'alice', role: 'consumer', policy: { productTypes: ['t'] } }]);
  });
  afterEach(() => store.close());

  it('knows a principal by its key, with role and policy', async () => {
    const { key } = await access.createKey('alice', { label: 'laptop' });
    expect(await access.authenticate(key)).toEqual({ id: 'alice', role: 'consumer', policy: { productTypes: ['t'] } });
    expect(await access.listKeys('alice')).toMatchObject([{ principal: 'alice', label: 'laptop', revokedAt: null }]);
  });

  it('keeps no key, only its hash', async () => {
    const { id, key } = await access.createKey('alice', {});
    // The secret itself may hold underscores.
    const secret = key.slice(`mpd_${id}_`.length);
    expect(secret).toHaveLength(43);
    const dump = JSON.stringify(await store.db.selectFrom('api_key').selectAll().execute());
    expect(dump).toContain(id);
    expect(dump).not.toContain(secret);
  });

  it.each([
    ['empty', ''],
    ['of another form', 'secret'],
    ['unknown', `mpd_${'0'.repeat(12)}_${'A'.repeat(43)}`],
  ])('refuses a key that is %s', async (_, key) => {
    await expect(access.authenticate(key)).rejects.toMatchObject({ code: 'Authentication Failed' });
  });

  it('refuses a wrong secret, a revoked and an expired key, and a disabled owner', async () => {
    const { id, key } = await access.createKey('alice', {});
    const wrong = key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A');
    await expect(access.authenticate(wrong)).rejects.toMatchObject({ code: 'Authentication Failed' });
    await access.revokeKey(id);
    await expect(access.authenticate(key)).rejects.toMatchObject({ code: 'Authentication Failed' });
    const past = await access.createKey('alice', { expiresAt: BigInt(Date.now() - 1000) * 1_000_000n });
    await expect(access.authenticate(past.key)).rejects.toMatchObject({ code: 'Authentication Failed' });
    const good = await access.createKey('alice', {});
    await access.setDisabled('alice', true);
    await expect(access.authenticate(good.key)).rejects.toMatchObject({ code: 'Authentication Failed' });
    await expect(access.principal('alice')).rejects.toMatchObject({ code: 'Authorisation Fail' });
  });

  it('asks the store once in its time, and learns at once what another process changed', async () => {
    const forHours = createAccess(store.db, 3_600_000);
    const unlisten = await store.listen(ACCESS_CHANNEL, forHours.forget);
    const { id, key } = await access.createKey('alice', {});
    const first = await forHours.authenticate(key);
    expect(await forHours.authenticate(key)).toBe(first);
    await access.revokeKey(id);
    await vi.waitFor(() => expect(forHours.authenticate(key)).rejects.toMatchObject({ code: 'Authentication Failed' }));
    await unlisten();
  });

  it('learns within its time what another process changed when nobody tells', async () => {
    const { id, key } = await access.createKey('alice', {});
    await access.authenticate(key);
    await createAccess(store.db).revokeKey(id);
    // Waits for the promised time, with room for a slow machine in the other direction only.
    await vi.waitFor(() => expect(access.authenticate(key)).rejects.toMatchObject({ code: 'Authentication Failed' }), {
      timeout: KNOWN_MS * 10,
    });
  });

  it('does not take another secret for one that it knows', async () => {
    const { key } = await access.createKey('alice', {});
    await access.authenticate(key);
    const wrong = key.slice(0, -2) + (key.at(-2) === 'A' ? 'B' : 'A') + key.at(-1);
    await expect(access.authenticate(wrong)).rejects.toMatchObject({ code: 'Authentication Failed' });
  });

  it('holds a key no longer than it lasts', async () => {
    const { key } = await access.createKey('alice', { expiresAt: BigInt(Date.now() + 900) * 1_000_000n });
    await access.authenticate(key);
    const until = performance.now() + 910;
    while (performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(access.authenticate(key)).rejects.toMatchObject({ code: 'Authentication Failed' });
  });

  it('disables principals that are gone from the configuration', async () => {
    const { key } = await access.createKey('alice', {});
    await access.syncConfigured([{ id: 'bob', role: 'consumer', policy: null }]);
    await expect(access.authenticate(key)).rejects.toMatchObject({ code: 'Authentication Failed' });
  });

  it('says what is missing when a key is made for, or revoked from, nobody', async () => {
    await expect(access.createKey('nobody', {})).rejects.toThrow('access.principals');
    await expect(access.revokeKey('000000000000')).rejects.toMatchObject({ code: 'Unknown' });
  });
});
