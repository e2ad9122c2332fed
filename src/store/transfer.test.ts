import { PassThrough, Readable, Writable } from 'node:stream';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { exportStore } from './export.js';
import { importStore } from './import.js';
import { readLines } from './lines.js';
import { type Migrations, storeMigrations } from './migrate.js';
import { type TestStore, testStore } from './testing.js';

const base: Migrations = {
  ...storeMigrations,
  'test-0001': {
    async up(db) {
      await sql`create table child (id integer primary key, parent bigint not null, twin integer references child, "Odd ""name""" text)`.execute(
        db,
      );
      await sql`create table parent (id bigint generated always as identity primary key, name text collate "C" not null)`.execute(
        db,
      );
      await sql`alter table child add foreign key (parent) references parent on delete cascade`.execute(db);
      await sql`create table every_type (id integer primary key, i8 bigint, b bytea, j jsonb, js json, t text, ts timestamptz, d date,
        f double precision, n numeric, a text[], ia bigint[], flag boolean, r int8range, u uuid, x xid8 not null default pg_current_xact_id(),
        bare xid8 not null, iv interval, doubled bigint generated always as (i8 / 2) stored)`.execute(db);
      await sql`create table own_of_each_store (generation text)`.execute(db);
      await sql`insert into own_of_each_store values (gen_random_uuid()::text)`.execute(db);
    },
  },
};

const KEEP = { keep: ['own_of_each_store'] };

async function fill(store: TestStore<unknown>): Promise<void> {
  await sql`insert into parent (name) select 'p' || n from generate_series(1, 1234) n`.execute(store.db);
  await sql`insert into child select n, n, case when n > 1 then 1235 - n end, 'c' from generate_series(1, 1234) n`.execute(
    store.db,
  );
  await sql`insert into every_type (id, i8, b, j, js, t, ts, d, f, n, a, ia, flag, r, u, bare, iv) values
    (1, 9223372036854775807, '\\x00ff80', '{"big": 12345678901234567890, "x": null, "é": ["\\u2028", 1.10]}', '{ "kept" : 1.10 }',
      E'line\n"quoted"\ttab\\\\ 漢字 😀', '2026-11-23 13:00:00.123456+02', '0044-03-15 BC', 'NaN', 123456789012345678901234567890.000000001,
      array['a', null, '{"x"}', ''], array[1, null, -9223372036854775808], true, '[1,)', gen_random_uuid(), pg_current_xact_id(), '1 mon -2 days'),
    (2, null, null, 'null', 'null', null, 'infinity', 'infinity', '-Infinity', 'NaN', '{}', null, false, 'empty', null, '7', '00:00:00.000001'),
    (3, -9223372036854775808, '', '"text"', '[]', '', null, null, 0.1, 0.10, null, '{}', null, null, null, '8', null)`.execute(
    store.db,
  );
}

async function dump(store: TestStore<unknown>): Promise<string> {
  const output = new PassThrough();
  const [text] = await Promise.all([collect(output), exportStore(store.db, output, KEEP).finally(() => output.end())]);
  return text;
}

async function collect(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const load = (store: TestStore<unknown>, text: string) =>
  importStore(store.db, Readable.from([Buffer.from(text)]), KEEP);
const body = (text: string) => text.split('\n').slice(1).join('\n');

describe('export and import', () => {
  it('move every value of every type, references, and the next number of each sequence', async () => {
    await using from = await testStore({ migrations: base });
    await using to = await testStore({ migrations: base });
    await fill(from);
    const text = await dump(from);
    for (const line of text.trimEnd().split('\n')) JSON.parse(line);
    const header = JSON.parse(text.slice(0, text.indexOf('\n')));
    expect(header).toMatchObject({
      format: 'mpd-gateway-store',
      version: 1,
      migrations: expect.arrayContaining(Object.keys(base)),
    });

    expect(await load(to, text)).toEqual({ tables: 3, rows: 1234 + 1234 + 3 });
    expect(body(await dump(to))).toBe(body(text));

    const compare = sql<{ same: boolean }>`select md5(string_agg(e::text, ',' order by id)) as same from (
      select id, i8, b, j, js::text, t, ts, d, f, n, a, ia, flag, r, u, iv, doubled from every_type) e`;
    expect((await compare.execute(to.db)).rows).toEqual((await compare.execute(from.db)).rows);
    const { rows: nulls } =
      await sql`select id, j is null as sql_null, jsonb_typeof(j) as kind from every_type order by id`.execute(to.db);
    expect(nulls[1]).toEqual({ id: 2, sql_null: false, kind: 'null' });

    const added = sql<{ id: bigint }>`insert into parent (name) values ('next') returning id`;
    expect((await added.execute(to.db)).rows).toEqual([{ id: 1235n }]);
    await expect(sql`insert into child values (0, 99999, null, '')`.execute(to.db)).rejects.toMatchObject({
      code: '23503',
    });
    await expect(sql`insert into child values (0, 1, 99999, '')`.execute(to.db)).rejects.toMatchObject({
      code: '23503',
    });
  });

  it('give rows transaction numbers of the new store, below which nothing later falls', async () => {
    await using from = await testStore({ migrations: base });
    await using to = await testStore({ migrations: base });
    await fill(from);
    await load(to, await dump(from));
    const { rows } = await sql<{ ok: boolean }>`select bool_and(x < pg_snapshot_xmin(pg_current_snapshot())
      and bare < pg_snapshot_xmin(pg_current_snapshot()) and x = bare) as ok from every_type`.execute(to.db);
    expect(rows).toEqual([{ ok: true }]);
  });

  it('leave alone what each store has for itself', async () => {
    await using from = await testStore({ migrations: base });
    await using to = await testStore({ migrations: base });
    const generation = sql<{ generation: string }>`select generation from own_of_each_store`;
    const before = (await generation.execute(to.db)).rows;
    const text = await dump(from);
    expect(text).not.toContain('own_of_each_store');
    expect(text).not.toContain('"lease"');
    await load(to, text);
    expect((await generation.execute(to.db)).rows).toEqual(before);
  });

  it('see one moment, though rows come and go meanwhile', async () => {
    await using from = await testStore({ migrations: base });
    await fill(from);
    const expected = body(await dump(from));
    let touched = false;
    const chunks: string[] = [];
    const slow = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk.toString());
        if (touched) return done();
        touched = true;
        sql`insert into every_type (id, bare) values (4, '1')`.execute(from.db).then(() => done(), done);
      },
    });
    await exportStore(from.db, slow, KEEP);
    expect(body(chunks.join(''))).toBe(expected);
  });
});

describe('import', () => {
  it('into a newer store fills what the export lacks with defaults', async () => {
    await using from = await testStore({ migrations: base });
    await using to = await testStore({
      migrations: {
        ...base,
        'test-0002': {
          up: async (db) =>
            void (await sql`alter table parent add column extra text not null default 'new'`.execute(db)),
        },
      },
    });
    await fill(from);
    await load(to, await dump(from));
    const { rows } = await sql`select distinct extra from parent`.execute(to.db);
    expect(rows).toEqual([{ extra: 'new' }]);
  });

  it.each([
    ['that is cut off', (text: string) => text.slice(0, text.lastIndexOf('{"end"')), 'cut off'],
    [
      'that is cut off inside a line',
      (text: string) => text.slice(0, text.length / 2),
      /not a line of an export|invalid input syntax|cut off/,
    ],
    ['that lost a row', (text: string) => text.replace(/\n\["7",.*/, ''), 'rows and holds'],
    ['whose rows refer to none', (text: string) => text.replace('["7","7"', '["7","9999999"'), 'foreign key'],
    ['of another program', () => '{"format":"other"}\n', 'not an export'],
    ['that is no JSON', () => 'PGDMP\n', 'not a line of an export'],
    ['that is empty', () => '', 'empty'],
    ['of a newer format', (text: string) => text.replace('"version":1', '"version":99'), 'version 99'],
    ['of a newer gateway', (text: string) => text.replace('"test-0001"', '"test-0001","test-0009"'), 'test-0009'],
  ])('refuses an export %s and leaves nothing', async (_name, spoil, message) => {
    await using from = await testStore({ migrations: base });
    await using to = await testStore({ migrations: base });
    await fill(from);
    const text = await dump(from);
    const spoilt = spoil(text);
    expect(spoilt).not.toBe(text);
    await expect(load(to, spoilt)).rejects.toThrow(message);
    const { rows } = await sql<{
      n: bigint;
    }>`select (select count(*) from parent) + (select count(*) from child) as n`.execute(to.db);
    expect(rows).toEqual([{ n: 0n }]);
    expect(await load(to, text)).toMatchObject({ tables: 3 });
  });

  it('refuses a store with rows', async () => {
    await using store = await testStore({ migrations: base });
    await fill(store);
    await expect(load(store, await dump(store))).rejects.toThrow('not empty: table child has rows');
  });
});

describe('readLines', () => {
  it('finds the same lines however the text is cut', async () => {
    const text = Buffer.from('é1\n\n漢字\nlast');
    for (let size = 1; size <= text.length; size++) {
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
        text.subarray(at * size, (at + 1) * size),
      );
      const found: string[] = [];
      for await (const line of readLines(Readable.from(pieces), 100)) found.push(line);
      expect(found).toEqual(['é1', '', '漢字', 'last']);
    }
  });

  it('refuses a line without end', async () => {
    const endless = async () => {
      for await (const line of readLines(Readable.from([Buffer.alloc(60), Buffer.alloc(60)]), 100))
        expect(line).toBeUndefined();
    };
    await expect(endless()).rejects.toThrow('longer than 100');
  });
});
