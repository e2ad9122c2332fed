/**
 * `npx tsx --expose-gc bench/datadrive/main.ts [--documents N] [--mib N] [--files N]`: the DataDrive backend and the SFTP target
 * against bare clients on the same servers, in one run. Prints a table.
 */
import { chownSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { pino } from 'pino';
import { createBackend } from '../../adapters/datadrive/index.js';
import { migrations } from '../../adapters/datadrive/tables.js';
import type { Backend, BackendQuery, Entry } from '../../src/gateway/backend.js';
import { createGuard } from '../../src/net/guard.js';
import { storeMigrations } from '../../src/store/index.js';
import { testStore } from '../../src/store/testing.js';
import { parseHostKey } from '../../src/targets/sftp/account.js';
import { sftpTarget } from '../../src/targets/sftp/index.js';
import { openSession } from '../../src/targets/sftp/session.js';
import { writeWindowed } from '../../src/targets/sftp/transfer.js';
import { service, unique } from '../../test/services/index.js';
import { inTurn, memoryOf, printTable, type Row } from './measure.js';
import { fillIndex, putLarge, startBench } from './setup.js';

const { values } = parseArgs({
  options: {
    documents: { type: 'string', default: '100000' },
    mib: { type: 'string', default: '2048' },
    files: { type: 'string', default: '10000' },
  },
});
const ALL: BackendQuery = { filter: null, created: null, content: null, updated: null };
const signal = new AbortController().signal;
const rows: Row[] = [];
const milliseconds = (value: number): string => `${value.toFixed(0)} ms`;
const compare = (what: string, [ours, bare]: readonly [number, number], limit: number | null): void => {
  process.stderr.write(`${what}: ${(ours / bare).toFixed(2)}\n`);
  rows.push({ what, ours: milliseconds(ours), bare: milliseconds(bare), ratio: ours / bare, limit });
};

const bench = await startBench();
const { dd, s3, client } = bench;
const sftp = await service('openssh');
const store = await testStore({ migrations: { ...storeMigrations, ...migrations } });
const guard = createGuard({ allow: [{ scheme: 'sftp', host: '127.0.0.1' }] });
const aliases = Object.values(dd.aliases);
const backend: Backend = await createBackend(
  {
    ...{ id: 'bench', domain: ['bench'], elasticsearch: { url: bench.search.url, aliases } },
    s3: {
      endpoint: s3.url,
      region: 'us-east-1',
      accessKeyId: s3.username,
      secretAccessKey: s3.password,
      buckets: dd.buckets,
    },
  },
  { store: store as never, log: pino({ level: 'silent' }), guard, clock: () => BigInt(Date.now()) * 1_000_000n },
);

/** The same pages by the same query, parsed and thrown away. */
async function rawPages(most: number): Promise<number> {
  const size = Math.min(most, 1000);
  let after: unknown[] | undefined;
  let count = 0;
  for (;;) {
    const body = {
      ...{ size, track_total_hits: false, query: { match_all: {} } },
      sort: [{ ocs_created_at: 'asc' }, { ocs_dataset_id: 'asc' }],
      ...(after && { search_after: after }),
    };
    const response = await fetch(`${bench.search.url}/${aliases.join(',')}/_search`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
    });
    const { hits } = ((await response.json()) as { hits: { hits: { sort: unknown[] }[] } }).hits;
    count += hits.length;
    after = hits.at(-1)?.sort;
    if (hits.length < size || count >= most) return count;
  }
}

async function listed(most: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const { entry } of backend.list(ALL, { order: 'created', limit: most, signal })) {
    entries.push(entry);
    if (entries.length >= most) break;
  }
  return entries;
}

const documents = Number(values.documents);
await fillIndex(bench, documents);
await listed(1);
for (const page of [100, 1000])
  compare(
    `page of ${page} of ${documents} documents`,
    await inTurn(
      25,
      () => listed(page),
      () => rawPages(page),
    ),
    1.2,
  );
const exported = async (): Promise<number> => {
  let bytes = 0;
  for await (const { entry } of backend.list(ALL, { order: 'created', limit: 1e9, signal }))
    bytes += entry.metadata.productRef.key.length;
  return bytes;
};
compare(`all ${documents} documents`, await inTurn(3, exported, () => rawPages(Number.POSITIVE_INFINITY)), 1.3);

const mib = Number(values.mib);
const id = await putLarge(bench, mib << 20);
const filter = { all: [{ created: { start: 1735689600000000000n, end: 1735689600000000000n } }] };
const found: Entry[] = [];
for await (const { entry } of backend.list({ ...ALL, filter }, { order: 'created', limit: 10, signal }))
  found.push(entry);
const large = found.find((entry) => entry.metadata.productRef.key === id);
if (!large) throw new Error('the large file is not listed');

const body = () => backend.open(large.metadata.productRef, { revision: large.revision, offset: 0, signal });
const drain = async (stream: AsyncIterable<Uint8Array>): Promise<number> => {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
};
const rawGet = async () => {
  const answer = await client.send(new GetObjectCommand({ Bucket: dd.buckets[0], Key: 'bench/large.bc' }));
  return answer.Body as unknown as AsyncIterable<Uint8Array>;
};
const read = async () => drain((await body()).stream);
compare(`${mib} MiB from S3`, await inTurn(3, read, async () => drain(await rawGet())), 1.1);
const growth = await memoryOf(read);
rows.push({ what: '  memory', ours: `${growth.toFixed(0)} MiB`, bare: '', ratio: growth / 100, limit: 1 });

const { username = '', password, hostKey, url, folder, localFolder = '' } = sftp;
const place = unique('bench');
mkdirSync(join(localFolder, place));
const { uid, gid } = statSync(localFolder);
chownSync(join(localFolder, place), uid, gid);
const config = {
  allow: [],
  named: { b: { uri: `${url}${folder}`, username, password, hostKey } },
  inlineCredentials: false,
};
const target = sftpTarget(config, guard);
const uri = new URL(`${url}${folder}/${place}`);
let serial = 0;
const send = async (verify: 'remote' | 'readback') => {
  const { size, stream } = await body();
  const options = { verify, overwrite: true, deliveryId: `d${++serial}`, epoch: 1, signal };
  await target.put(uri, 'large.bc', { size, stream }, options);
};
const account = {
  ...{ host: uri.hostname, port: Number(uri.port), username, password, privateKey: undefined, passphrase: undefined },
  hostKey: parseHostKey(hostKey) ?? Buffer.alloc(32),
};
const session = await openSession(account, { guard, signal });
const rawSend = async () => {
  const path = `${folder}/${place}/raw.bc`;
  await session.remove(path).catch(() => undefined);
  const handle = await session.open(path, 'wx');
  await writeWindowed(session, handle, await rawGet());
  // As the target does: otherwise the disk of the server would be compared, not the clients.
  await session.sync(handle);
  await session.close(handle);
};
compare(`${mib} MiB from S3 to SFTP, size checked`, await inTurn(3, () => send('remote'), rawSend), 1.1);
const sending = await memoryOf(() => send('remote'));
rows.push({ what: '  memory', ours: `${sending.toFixed(0)} MiB`, bare: '', ratio: sending / 100, limit: 1 });
compare(`${mib} MiB from S3 to SFTP, read back`, await inTurn(1, () => send('readback'), rawSend), null);

const files = Number(values.files);
const small = Buffer.alloc(10_000, 7);
const put = (n: number) =>
  target.put(
    uri,
    `small/${n}.bc`,
    {
      size: small.length,
      stream: (async function* () {
        yield small;
      })(),
    },
    { verify: 'readback', overwrite: true, deliveryId: `s${n}`, epoch: 1, signal },
  );
const start = performance.now();
let next = 0;
await Promise.all(
  Array.from({ length: 16 }, async () => {
    while (next < files) await put(next++);
  }),
);
const seconds = (performance.now() - start) / 1000;
rows.push({
  what: `${files} files of 10 kB to SFTP, 16 at once, read back`,
  ours: `${(files / seconds).toFixed(0)} files/s`,
  bare: '',
  ratio: null,
  limit: null,
});

session.end();
await target.close();
await backend.close();
rmSync(join(localFolder, place), { recursive: true });
await store.close();
await bench.close();
printTable(rows);
process.exit(0);
