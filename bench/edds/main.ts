import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import sax from 'sax';
import { createBackend, migrations } from '../../adapters/edds/index.js';
import { archiveOf } from '../../simulators/edds/archive/index.js';
import type { HttpClient } from '../../src/client/index.js';
import { type RawElement, readResponse, writeResponse } from '../../src/formats/edds-response/index.js';
import type { Backend, Entry } from '../../src/gateway/backend.js';
import type { ObjectRef } from '../../src/mal/index.js';
import { createGuard } from '../../src/net/guard.js';
import { type Store, storeMigrations } from '../../src/store/index.js';
import { testStore } from '../../src/store/testing.js';
import { printTable, timed, withMemory } from '../table.js';
import { benchGateway } from './gateway.js';

/**
 * `npx tsx --expose-gc bench/edds/main.ts [--large]`: reading and writing response files against plain reading by `sax`, and
 * a batch of 100 000 packets through the backend against a bare SOAP client. `--large`: a part of 1 GiB.
 */
const PACKETS = 100_000;
const BEGIN = Date.UTC(2020, 11, 1);
const INTERVAL = 43_200;

const folder = await mkdtemp(join(tmpdir(), 'mpd-bench-'));
try {
  await formats();
  await endToEnd(PACKETS, undefined);
  if (process.argv.includes('--large')) await endToEnd(8900, 60_000);
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exit(0);

async function formats(): Promise<void> {
  const archive = archiveOf('SOL', {
    seed: 1,
    begin: BEGIN,
    end: null,
    packetInterval: INTERVAL,
    commandInterval: 1e9,
    sampleInterval: 1e9,
    files: 0,
  });
  const elements: RawElement[] = Array.from({ length: PACKETS }, (_, index) => ({
    kind: 'raw',
    packetId: null,
    bytes: archive.telemetry.record(index),
  }));
  const path = join(folder, 'response.xml');
  const writing = await timed(() => pipeline(Readable.from(writeResponse('raw', elements)), createWriteStream(path)));
  const mib = (await stat(path)).size / 2 ** 20;
  const plain = await best(async () => {
    const parser = sax.parser(true, {});
    for await (const chunk of createReadStream(path, { encoding: 'utf8' })) parser.write(chunk as string);
    parser.close();
  });
  let read = 0;
  const reading = await best(async () => {
    read = 0;
    for await (const _ of readResponse(createReadStream(path))) read++;
  });
  if (read !== PACKETS) throw new Error(`${read} of ${PACKETS} packets were read`);
  console.log(`\nresponse file of ${PACKETS} packets, ${mib.toFixed(1)} MiB`);
  printTable(
    ['', 'seconds', 'MiB/s', 'packets/s', 'ratio to sax'],
    [
      ['sax alone, same XML', plain, mib / plain, PACKETS / plain, 1],
      ['read to packets', reading, mib / reading, PACKETS / reading, reading / plain],
      [
        'written from packets',
        writing.seconds,
        mib / writing.seconds,
        PACKETS / writing.seconds,
        writing.seconds / plain,
      ],
    ],
  );
}

interface Run {
  readonly seconds: number;
  /** Of this process, or of the gateway and this process. */
  readonly cpu: number;
  readonly bytes: number;
  /** RSS, MiB; null = not measured. */
  readonly growth: number | null;
}

async function endToEnd(packets: number, packetBytes: number | undefined): Promise<void> {
  const { child, wsdl } = await simulator(packetBytes);
  const url = wsdl.replace('?wsdl', '');
  const store = await testStore({ migrations: { ...storeMigrations, ...migrations } });
  const guard = createGuard({ allow: [] });
  const backend = await createBackend(
    {
      id: 'bench',
      domain: ['esa', 'solo'],
      wsdl,
      username: 'ops',
      password: 'ops',
      mission: 'SOL',
      cache: { path: join(folder, 'cache') },
      site: { limits: { poll: 50, pollMax: 50 } },
    },
    { store: store as Store, guard, log: pino({ level: 'silent' }), clock: () => BigInt(Date.now()) * 1_000_000n },
  );
  await backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(30_000) });
  const gateway = await benchGateway(wsdl);
  // One packet kind of each cycle of twenty has eight of them.
  const length = Math.ceil((packets / 8) * 20 * (INTERVAL / 1000));
  const runs = packetBytes === undefined ? 3 : 2;
  const rows: Record<'bare SOAP client' | 'through the backend' | 'through a gateway, HTTP', Run[]> = {
    'bare SOAP client': [],
    'through the backend': [],
    'through a gateway, HTTP': [],
  };
  const path = join(folder, 'received.xml');
  for (let run = 0; run < runs; run++) {
    // Windows of their own, so that nothing comes from a cache.
    const begin = BEGIN + run * 10;
    rows['bare SOAP client'].push(await measured(() => bareClient(url, begin, begin + length, path)));
    await rm(path);
    const entry = await virtual(backend, begin + 2, begin + 2 + length);
    const ours = await withMemory(() => measured(() => drain(backend, entry, path)));
    rows['through the backend'].push({ ...ours.value, growth: ours.growth });
    await rm(path);
    const ref = await virtualRef(gateway.client, begin + 4, begin + 4 + length);
    const cpu = gateway.cpu();
    const whole = await gateway.growth(() =>
      measured(async () => {
        await pipeline(Readable.from((await gateway.client.getProduct(ref)).stream), createWriteStream(path));
        return (await stat(path)).size;
      }),
    );
    const all = whole.value.cpu + gateway.cpu() - cpu;
    rows['through a gateway, HTTP'].push({ ...whole.value, cpu: all, growth: whole.growth });
    await rm(path);
  }
  const least = (name: keyof typeof rows, what: 'seconds' | 'cpu') => Math.min(...rows[name].map((run) => run[what]));
  const bare = { seconds: least('bare SOAP client', 'seconds'), cpu: least('bare SOAP client', 'cpu') };
  const mib = rows['bare SOAP client'][0]!.bytes / 2 ** 20;
  console.log(
    `\nbatch of ${packets} packets, ${mib.toFixed(0)} MiB, submit to last byte on disk (best of ${runs}, load ${loadavg()[0]!.toFixed(1)})`,
  );
  printTable(
    ['', 'seconds', 'MiB/s', 'ratio', 'CPU s', 'ratio', 'RSS growth, MiB'],
    Object.keys(rows).map((key) => {
      const name = key as keyof typeof rows;
      const [seconds, cpu] = [least(name, 'seconds'), least(name, 'cpu')];
      const growth = rows[name].map((run) => run.growth).filter((value) => value !== null);
      const most = growth.length === 0 ? '-' : Math.max(...growth);
      return [name, seconds, mib / seconds, seconds / bare.seconds, cpu, cpu / bare.cpu, most];
    }),
  );
  await gateway.close();
  await backend.close();
  guard.close();
  await store.close();
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** Wall-clock and processor time of this process. */
async function measured(work: () => Promise<number>): Promise<Run> {
  const before = process.cpuUsage();
  const { seconds, value } = await timed(work);
  const { user, system } = process.cpuUsage(before);
  return { seconds, cpu: (user + system) / 1e6, bytes: value, growth: null };
}

async function virtualRef(client: HttpClient, begin: number, end: number): Promise<ObjectRef> {
  const content = { start: BigInt(begin) * 1_000_000n, end: BigInt(end) * 1_000_000n - 1n };
  const apid = {
    type: 'ValueSet' as const,
    name: 'apid',
    include: true,
    values: [{ type: 'UShort' as const, value: 1444 }],
  };
  const productFilter = { productType: 'PktTmRaw', domain: null, sources: null, attributeFilter: [apid] };
  for (let turn = 0; turn < 600; turn++) {
    for await (const { metadata } of client.listProducts({ content, productFilter })) return metadata.productRef;
    await sleep(100);
  }
  throw new Error('the packet kind is not in the catalogue of the gateway');
}

async function simulator(packetBytes: number | undefined): Promise<{ child: ChildProcess; wsdl: string }> {
  const script = join(import.meta.dirname, 'simulator.ts');
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', script, ...(packetBytes === undefined ? [] : [String(packetBytes)])],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const lines = createInterface({ input: child.stdout! });
  const [wsdl] = (await once(lines, 'line')) as [string];
  return { child, wsdl };
}

async function virtual(backend: Backend, begin: number, end: number): Promise<Entry> {
  const content = { start: BigInt(begin) * 1_000_000n, end: BigInt(end) * 1_000_000n - 1n };
  const options = { order: 'created', limit: 100, signal: AbortSignal.timeout(10_000) } as const;
  for await (const { entry } of backend.list({ filter: null, created: null, content, updated: null }, options)) {
    if (entry.metadata.attributes?.some(({ name, value }) => name === 'apid' && value?.value === 1444)) return entry;
  }
  throw new Error('the packet kind is not in the catalogue');
}

async function drain(backend: Backend, entry: Entry, path: string): Promise<number> {
  const signal = AbortSignal.timeout(600_000);
  const body = await backend.open(entry.metadata.productRef, { revision: null, offset: 0, signal });
  await pipeline(Readable.from(body.stream), createWriteStream(path));
  return (await stat(path)).size;
}

/** The least that a client of its own does: log in, submit, poll, fetch; base64 decoded as it comes. */
async function bareClient(url: string, begin: number, end: number, path: string): Promise<number> {
  const call = (operation: string, children: string): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'text/xml' },
      body: `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><e:${operation} xmlns:e="urn:edds-sim:service:1">${children}</e:${operation}></s:Body></s:Envelope>`,
    });
  const value = async (answer: Promise<Response>, name: string): Promise<string> =>
    new RegExp(`<${name}>([^<]*)<`).exec(await (await answer).text())?.[1] ?? '';
  const token = await value(call('login', '<user>ops</user><password>ops</password>'), 'token');
  const range = `<TimeRange><Begin>${new Date(begin).toISOString()}</Begin><End>${new Date(end).toISOString()}</End></TimeRange>`;
  const request = `<request><Domain>SOL</Domain><DataType>PktTmRaw</DataType>${range}<Filter><Apid>1444</Apid></Filter></request>`;
  const id = await value(call('batchRequest', `<token>${token}</token>${request}`), 'requestId');
  const status = (): Promise<string> =>
    value(call('getStatus', `<token>${token}</token><requestId>${id}</requestId>`), 'State');
  while ((await status()) !== 'COMPLETED') await sleep(50);
  const answer = await call('getResponse', `<token>${token}</token><requestId>${id}</requestId>`);
  await pipeline(Readable.fromWeb(answer.body as never), decode, createWriteStream(path));
  return (await stat(path)).size;
}

async function* decode(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let text = '';
  let inside = false;
  for await (const chunk of source) {
    text += Buffer.from(chunk).toString('latin1');
    if (!inside) {
      const at = text.indexOf('<Content>');
      if (at < 0) continue;
      text = text.slice(at + '<Content>'.length);
      inside = true;
    }
    const end = text.indexOf('<');
    const digits = end < 0 ? text.slice(0, text.length - (text.length % 4)) : text.slice(0, end);
    yield Buffer.from(digits, 'base64');
    if (end >= 0) return;
    text = text.slice(digits.length);
  }
}

/** Seconds of the best of three. */
async function best(work: () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 3; run++) least = Math.min(least, (await timed(work)).seconds);
  return least;
}
