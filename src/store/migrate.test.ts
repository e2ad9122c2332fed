import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { silentLog } from './log.js';
import { appliedMigrations, type Migrations, migrate } from './migrate.js';
import { testStore } from './testing.js';

const first: Migrations = {
  'b-0001': { up: async (db) => void (await sql`create table b (id integer)`.execute(db)) },
  'a-0001': { up: async (db) => void (await sql`create table a as select id from b`.execute(db)) },
};
const broken: Migrations = {
  ...first,
  'c-0001': { up: async (db) => void (await sql`create table c (id integer)`.execute(db)) },
  'd-0001': { up: async (db) => void (await sql`create table a (id integer)`.execute(db)) },
};

it('applies in the given order, once', async () => {
  await using store = await testStore();
  expect(await appliedMigrations(store.db)).toEqual([]);
  expect(await migrate(store.db, first)).toEqual(['b-0001', 'a-0001']);
  expect(await migrate(store.db, first)).toEqual([]);
  expect([...(await appliedMigrations(store.db))].sort()).toEqual(['a-0001', 'b-0001']);
});

it('leaves nothing of a run in which one fails', async () => {
  await using store = await testStore();
  await migrate(store.db, first);
  await expect(migrate(store.db, broken)).rejects.toThrow('already exists');
  const { rows } = await sql`select to_regclass('c') as c`.execute(store.db);
  expect(rows).toEqual([{ c: null }]);
  expect([...(await appliedMigrations(store.db))].sort()).toEqual(['a-0001', 'b-0001']);
});

it('accepts a store that a newer gateway migrated, and says so', async () => {
  await using store = await testStore();
  await migrate(store.db, first);
  const warned: unknown[] = [];
  const log = { ...silentLog, warn: (fields: unknown) => void warned.push(fields) };
  expect(await migrate(store.db, { 'b-0001': first['b-0001']! }, log)).toEqual([]);
  expect(warned).toEqual([{ migrations: ['a-0001'] }]);
});

it('is safe from processes that start at the same time', async () => {
  await using store = await testStore();
  const program = fileURLToPath(new URL('../../test/processes/migrate.ts', import.meta.url));
  const children = [1, 2, 3].map(() => fork(program, [store.url], { execArgv: ['--import', 'tsx'] }));
  const results = await Promise.all(
    children.map(async (child) => {
      const [[message], [code]] = await Promise.all([once(child, 'message'), once(child, 'exit')]);
      expect(code).toBe(0);
      return message as string[];
    }),
  );
  expect(results.map((names) => names.length).sort()).toEqual([0, 0, 2]);
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from slow_table`.execute(store.db);
  expect(rows).toEqual([{ n: 1 }]);
});
