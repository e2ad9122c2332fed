import { sql } from 'kysely';
import { openStore } from '../../src/store/connect.js';
import { migrate } from '../../src/store/migrate.js';

const store = await openStore({ url: process.argv[2]! });
const names = await migrate(store.db, {
  'slow-0001': {
    up: async (db) => void (await sql`create table slow_table as select pg_sleep(0.3)::text as t`.execute(db)),
  },
  'slow-0002': { up: async (db) => void (await sql`alter table slow_table add column extra integer`.execute(db)) },
});
await store.close();
process.send?.(names);
process.disconnect();
