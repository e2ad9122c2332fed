import { createHash } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALTERNATIVE_SITE } from '../../adapters/edds/testing.js';
import type { EddsSimulator } from '../../simulators/edds/index.js';
import type { HttpClient } from '../../src/client/index.js';
import type { TestGateway } from '../gateway.js';
import { describeWithService, type Service, unique } from '../services/index.js';
import { expectConsecutive, openHarness, orderFiles, telemetry, until } from './harness.js';

interface Bench {
  readonly simulator: EddsSimulator;
  gateway: TestGateway;
  client: HttpClient;
  /** Stops the gateway, waits for more to be sent, and starts another one on the same store. */
  restart(): Promise<void>;
  /** Where the gateway looks; what EDDS writes is below `sent`, which may be another folder. */
  readonly here: string;
  readonly sent: string;
  /** Everything the gateway logged. */
  log(): string;
  close(): Promise<void>;
}

interface BenchOptions {
  readonly shape: 'standard' | 'alternative';
  /** EDDS writes to a folder of its own, from where a test carries files on. */
  readonly apart?: boolean;
  /** EDDS may not write there. */
  readonly denied?: boolean;
  readonly backend?: Readonly<Record<string, unknown>>;
  readonly targets?: Readonly<Record<string, unknown>>;
}

/** A gateway before an EDDS that sends the files of orders by itself. */
async function openBench(options: BenchOptions): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'mpd-placing-'));
  const here = join(folder, 'here');
  const sent = options.apart ? join(folder, 'sent') : here;
  for (const path of [here, sent]) mkdirSync(path, { recursive: true });
  const lines: string[] = [];
  const stream = new PassThrough();
  stream.on('data', (line: Buffer) => lines.push(line.toString()));
  const harness = await openHarness({
    folder,
    simulator: {
      shape: options.shape,
      times: { start: 20, duration: 20, tick: 10 },
      fileRoots: options.denied ? [] : [sent],
      archive: { begin: Date.now() - 3_600_000, end: null, packetInterval: 50_000, sampleInterval: 100_000, files: 0 },
    },
    backend: {
      ...{ catalogue: '500ms', poll: '100ms', partSeconds: 1, period: '1s', overlap: '2s' },
      ...{ delivery: 'edds', sharedFolders: { [here]: sent }, arrival: '1s', settle: '300ms' },
      ...options.backend,
      site: { ...(options.shape === 'alternative' && ALTERNATIVE_SITE), limits: { poll: 20 } },
    },
    config: {
      targets: { allow: [{ scheme: 'file', root: here }], ...options.targets },
      gateway: { secret: 'a secret of this test, long enough' },
    },
    log: pino({ level: 'trace' }, stream),
  });
  const bench: Bench = {
    ...{ simulator: harness.simulator, gateway: harness.gateway, client: await harness.connect('alice'), here, sent },
    log: () => lines.join(''),
    async restart() {
      await bench.client.close();
      await bench.gateway.stop();
      await sleep(2500);
      await harness.startGateway();
      bench.gateway = harness.gateway;
      bench.client = await harness.connect('alice');
    },
    close: harness.close,
  };
  return bench;
}

const order = async (
  { client }: Bench,
  deliverTo: string,
  more: {
    readonly apid?: number;
    readonly type?: string;
    readonly deadlineSeconds?: number;
    readonly pathTemplate?: string;
  } = {},
): Promise<bigint> => {
  const { apid = 1444, type = 'PktTmRaw', ...extension } = more;
  return orderFiles(client, deliverTo, {
    productFilter: { ...telemetry(apid), productType: type, ...(type !== 'PktTmRaw' && { attributeFilter: null }) },
    ...extension,
  });
};

/** Rows of an order; what lies between the order and the start of its stream is fetched and sent by the gateway. */
const all = async ({ client }: Bench, id: bigint, state?: string) => {
  const rows = [];
  for await (const row of client.listDeliveries(id, state === undefined ? {} : { states: [state as 'notified'] }))
    rows.push(row);
  return rows;
};

/** Of those, what came by the stream. */
const deliveries = async (bench: Bench, id: bigint, state?: string) =>
  (await all(bench, id, state)).filter(({ ref }) => ref.key.includes('StreamRequest'));

const xml = (folder: string): string[] => readdirSync(folder).filter((name) => /^mpd-.*\.xml$/.test(name));

const requests = ({ simulator }: Bench) =>
  simulator.control.jobs().map(({ kind, request, state }) => ({
    ...{ kind, state },
    server:
      (request.Delivery as { FileServerDelivery?: Record<string, unknown> } | undefined)?.FileServerDelivery ?? null,
  }));

for (const shape of ['standard', 'alternative'] as const) {
  describe(`EDDS sends files itself, ${shape} site`, () => {
    let bench: Bench;
    const start = async (more: Omit<BenchOptions, 'shape'> = {}) => {
      bench = await openBench({ shape, ...more });
    };
    afterEach(() => bench?.close());
    const folder = (name: string): string => {
      mkdirSync(join(bench.here, name), { recursive: true });
      return `file://${bench.here}/${name}`;
    };
    const details = async (id: bigint) => (await bench.client.getOrder(id)).upstream?.solo?.details ?? {};
    const says = (id: bigint, what: RegExp) =>
      expect.poll(async () => (await details(id)).Delivery, { timeout: 20_000 }).toMatch(what);

    it('into a shared folder: each file is checked where it lies and told with size, hash and location', async () => {
      await start();
      const id = await order(bench, folder('in'));
      await until('three parts are told', async () => (await deliveries(bench, id, 'notified')).length >= 3);
      const told = await deliveries(bench, id, 'notified');
      for (const row of told) {
        const path = join(bench.here, 'in', row.ref.key);
        const bytes = readFileSync(path);
        expect(row).toMatchObject({
          ...{ bytes: BigInt(bytes.length), targetCheck: 'complete', sourceCheck: 'none', filename: row.ref.key },
          checksum: createHash('sha256').update(bytes).digest('hex'),
          location: pathToFileURL(path).href,
        });
      }
      await expectConsecutive(told.map(({ ref }) => join(bench.here, 'in', ref.key)));
      expect(requests(bench).filter(({ kind }) => kind === 'StreamRequest')).toEqual([
        { kind: 'StreamRequest', state: 'ACTIVE', server: { Protocol: 'FILE', Directory: join(bench.sent, 'in') } },
      ]);
      await until('the order shows who sends', async () => (await details(id)).Delivery === 'EDDS sends');
      const [first] = told;
      const body = await bench.client.getProduct(first!.ref);
      const hash = createHash('sha256');
      for await (const chunk of body.stream) hash.update(chunk);
      expect(hash.digest('hex')).toBe(first!.checksum);
    });

    it('of recurring requests too', async () => {
      await start();
      const id = await order(bench, folder('params'), { type: 'Param' });
      await until('two runs are told', async () => (await all(bench, id, 'notified')).length >= 4);
      expect((await all(bench, id, 'notified')).every(({ targetCheck }) => targetCheck === 'complete')).toBe(true);
      const schedules = requests(bench).filter(({ kind }) => kind === 'BatchRequest');
      expect(schedules.length).toBeGreaterThan(0);
      expect(schedules.every(({ server }) => server !== null)).toBe(true);
    });

    it('two orders for the same data have requests of their own, and no part of the other', async () => {
      await start();
      const ids = [await order(bench, folder('a')), await order(bench, folder('b'))];
      for (const id of ids)
        await until('parts are told', async () => (await deliveries(bench, id, 'notified')).length >= 2);
      for (const [index, name] of ['a', 'b'].entries()) {
        const rows = await deliveries(bench, ids[index]!, 'notified');
        for (const { ref } of rows) expect(xml(join(bench.here, name))).toContain(ref.key);
      }
      const directories = requests(bench).flatMap(({ server }) => (server === null ? [] : [server.Directory]));
      expect(directories.sort()).toEqual([join(bench.sent, 'a'), join(bench.sent, 'b')]);
    });

    it('that arrive late are told late', async () => {
      await start({ apart: true });
      const id = await order(bench, folder('late'));
      await until(
        'EDDS has sent',
        () => existsSync(join(bench.sent, 'late')) && xml(join(bench.sent, 'late')).length >= 2,
      );
      expect(await deliveries(bench, id)).toEqual([]);
      for (const name of xml(join(bench.sent, 'late')).reverse())
        renameSync(join(bench.sent, 'late', name), join(bench.here, 'late', name));
      await until('both are told', async () => (await deliveries(bench, id, 'notified')).length >= 2);
    });

    it('that arrive cut off are tried again, then dead with where they end; one that becomes whole is told', async () => {
      await start({ apart: true });
      const id = await order(bench, folder('cut'), { deadlineSeconds: 3 });
      await until(
        'EDDS has sent',
        () => existsSync(join(bench.sent, 'cut')) && xml(join(bench.sent, 'cut')).length >= 2,
      );
      const [one, two] = xml(join(bench.sent, 'cut')) as [string, string];
      for (const name of [one, two]) {
        const whole = readFileSync(join(bench.sent, 'cut', name));
        writeFileSync(join(bench.here, 'cut', name), whole.subarray(0, Math.floor(whole.length / 2)));
      }
      await until('both are known', async () => (await deliveries(bench, id)).length === 2);
      writeFileSync(join(bench.here, 'cut', two), readFileSync(join(bench.sent, 'cut', two)));
      await until('one is dead', async () => (await deliveries(bench, id, 'dead')).length === 1);
      const [dead] = await deliveries(bench, id, 'dead');
      expect(dead).toMatchObject({ ref: { key: one }, errorClass: 'retry', targetCheck: null });
      expect(dead!.cause).toMatch(/^mpd-.*, which solo sends by itself, is not whole: .*\(line \d+, character \d+\)$/);
      expect(dead!.attempts).toBeGreaterThan(1);
      await until('the other is told', async () => (await deliveries(bench, id, 'notified')).length === 1);
      expect((await deliveries(bench, id, 'notified'))[0]).toMatchObject({
        ref: { key: two },
        targetCheck: 'complete',
      });
    });

    it('that are taken away before they were checked are dead with the reason', async () => {
      await start({ apart: true, backend: { settle: '0ms' } });
      const id = await order(bench, folder('gone'), { deadlineSeconds: 1 });
      await until(
        'EDDS has sent',
        () => existsSync(join(bench.sent, 'gone')) && xml(join(bench.sent, 'gone')).length >= 1,
      );
      const [name] = xml(join(bench.sent, 'gone')) as [string];
      const path = join(bench.here, 'gone', name);
      // Cut off, so that no check can succeed before it is gone.
      writeFileSync(path, readFileSync(join(bench.sent, 'gone', name)).subarray(0, 300));
      await until('it is known', async () => (await deliveries(bench, id)).length === 1);
      rmSync(path);
      await until('it is dead', async () => (await deliveries(bench, id, 'dead')).length === 1);
      expect((await deliveries(bench, id, 'dead'))[0]!.cause).toBe(`${name} is not there; solo sends it by itself`);
    });

    it('that never arrive are sent by the gateway from then on, where every run must leave one', async () => {
      await start({ apart: true });
      const id = await order(bench, folder('never'), { type: 'Param' });
      await until('the gateway sends', async () => (await all(bench, id, 'notified')).length >= 3);
      const why = 'the gateway sends: nothing has arrived of a run that EDDS must have sent';
      await until('the order says why', async () => (await details(id)).Delivery === why);
      expect((await all(bench, id, 'notified')).every(({ targetCheck }) => targetCheck === 'verified')).toBe(true);
    });

    it('not when EDDS refuses to: the gateway sends, and the order and its attempts say why', async () => {
      await start({ denied: true });
      const id = await order(bench, folder('denied'));
      await until('parts are told', async () => (await deliveries(bench, id, 'notified')).length >= 4);
      await expectConsecutive(xml(join(bench.here, 'denied')).map((name) => join(bench.here, 'denied', name)));
      await says(id, /^the gateway sends: EDDS refused to send: .*the folder is outside the configured roots/);
      const [row] = await deliveries(bench, id, 'notified');
      const { log } = await bench.client.getDelivery(row!.id);
      expect(log.at(-1)!.error).toMatch(/^the gateway sends: EDDS refused to send: .*outside the configured roots/);
      expect(row!.targetCheck).toBe('verified');
    });

    it('not when EDDS fails to: the gateway fetches what was not sent, nothing is lost and nothing comes twice', async () => {
      await start();
      const id = await order(bench, folder('failing'));
      await until('a part is told', async () => (await deliveries(bench, id, 'notified')).length >= 1);
      bench.simulator.control.switches.fail = 'disk of the file server is full';
      await until('the request has failed', () => requests(bench).some(({ state }) => state === 'FAILED'));
      bench.simulator.control.switches.fail = null;
      const before = (await deliveries(bench, id, 'notified')).length;
      await until('more is told', async () => (await deliveries(bench, id, 'notified')).length >= before + 3);
      await says(id, /^the gateway sends: EDDS could not send: .*disk of the file server is full/);
      await expectConsecutive(xml(join(bench.here, 'failing')).map((name) => join(bench.here, 'failing', name)));
    });

    it('not when the file server does not take them: the status of EDDS is the reason', async () => {
      await start({ apart: true });
      writeFileSync(join(bench.sent, 'blocked'), 'a file where the folder should be');
      const id = await order(bench, folder('blocked'));
      await until('parts are told', async () => (await deliveries(bench, id, 'notified')).length >= 3);
      await says(
        id,
        /^the gateway sends: EDDS could not send: DELIVERY_FAILED: the file server did not take the files: .*EEXIST/,
      );
      const [row] = await deliveries(bench, id, 'notified');
      const { log } = await bench.client.getDelivery(row!.id);
      expect(log.at(-1)!.error).toMatch(/^the gateway sends: EDDS could not send: DELIVERY_FAILED/);
      await expectConsecutive(xml(join(bench.here, 'blocked')).map((name) => join(bench.here, 'blocked', name)));
    });

    it('not while each part has to be seen first, or wants a sub-folder: the order says so', async () => {
      await start();
      const id = await order(bench, folder('template'), { pathTemplate: '{productType}' });
      await until('a part is told', async () => (await deliveries(bench, id, 'notified')).length >= 1);
      await says(id, /^the gateway sends: the order wants sub-folders$/);
      expect(requests(bench).every(({ server }) => server === null)).toBe(true);
    });

    it('not while the order is paused: what comes meanwhile is held by the gateway', async () => {
      await start();
      const id = await order(bench, folder('paused'));
      await until('a part is told', async () => (await deliveries(bench, id, 'notified')).length >= 1);
      await bench.client.pauseOrder(id, 'hold');
      await until('the request is ended', () =>
        requests(bench)
          .filter(({ server }) => server !== null)
          .every(({ state }) => state === 'CANCELLED'),
      );
      await until('parts are held', async () => (await deliveries(bench, id, 'matched')).length >= 2);
      await bench.client.resumeOrder(id);
      await until('they are told', async () => (await deliveries(bench, id, 'notified')).length >= 4);
      await expectConsecutive(xml(join(bench.here, 'paused')).map((name) => join(bench.here, 'paused', name)));
    });

    it('after a lost answer the request is found again, and not sent twice', async () => {
      await start();
      bench.simulator.control.inject({ effect: 'lost-answer', operation: 'streamRequest' });
      const id = await order(bench, folder('lost'));
      await until('parts are told', async () => (await deliveries(bench, id, 'notified')).length >= 2);
      expect(requests(bench).filter(({ kind }) => kind === 'StreamRequest')).toHaveLength(1);
      await expectConsecutive(xml(join(bench.here, 'lost')).map((name) => join(bench.here, 'lost', name)));
    });

    it('a request that was taken for another one is known by the name of its files', async () => {
      await start();
      const ids = [await order(bench, folder('one')), await order(bench, folder('two'))];
      const counts = () => Promise.all(ids.map(async (id) => (await deliveries(bench, id, 'notified')).length));
      await until('parts are told', async () => (await counts()).every((count) => count >= 1));
      await sql`update edds_job j set request_id = o.request_id from edds_job o
        where j.purpose = 'stream' and o.purpose = 'stream' and j.id <> o.id`.execute(bench.gateway.store.db);
      const before = await counts();
      await until('both go on', async () => (await counts()).every((count, i) => count >= before[i]! + 2));
      for (const name of ['one', 'two'])
        await expectConsecutive(xml(join(bench.here, name)).map((file) => join(bench.here, name, file)));
    });

    it('what EDDS sends while the gateway is away is told when it is back, each part once', async () => {
      await start();
      const id = await order(bench, folder('away'));
      await until('a part is told', async () => (await deliveries(bench, id, 'notified')).length >= 1);
      await bench.restart();
      const sent = xml(join(bench.here, 'away')).filter((name) => name.includes('StreamRequest'));
      await until('all are told', async () => {
        const keys = (await deliveries(bench, id, 'notified')).map(({ ref }) => ref.key);
        return sent.every((name) => keys.includes(name));
      });
      const rows = await all(bench, id);
      expect(new Set(rows.map(({ ref }) => ref.key)).size).toBe(rows.length);
      expect((await deliveries(bench, id, 'notified')).every(({ targetCheck }) => targetCheck === 'complete')).toBe(
        true,
      );
      await expectConsecutive(xml(join(bench.here, 'away')).map((name) => join(bench.here, 'away', name)));
    });

    it('a cancelled order ends its request', async () => {
      await start();
      const id = await order(bench, folder('cancelled'));
      await until('a part is told', async () => (await deliveries(bench, id, 'notified')).length >= 1);
      await bench.client.cancelStandingOrder(id);
      await until('it is cancelled', () =>
        requests(bench)
          .filter(({ kind }) => kind === 'StreamRequest')
          .every(({ state }) => state === 'CANCELLED'),
      );
    });
  });

  await describeWithService('openssh', `EDDS sends files itself by SFTP, ${shape} site`, (server: Service) => {
    let bench: Bench;
    let name: string;
    let local: string;
    beforeEach(async () => {
      const base = server.localFolder!;
      const { uid, gid } = statSync(base);
      name = unique('placing');
      local = join(base, name);
      for (const path of [local, `${local}-keyed`]) {
        mkdirSync(path);
        chownSync(path, uid, gid);
      }
      const uri = `${server.url}${server.folder}`;
      const { username, password, hostKey } = server;
      bench = await openBench({
        shape,
        targets: {
          allow: [{ scheme: 'sftp', host: '127.0.0.1', port: Number(new URL(server.url).port), hostKey }],
          named: {
            ops: { uri, username, password, hostKey },
            keyed: { uri: `${uri}/${name}-keyed`, username, key: server.privateKey, hostKey },
          },
          inlineCredentials: true,
        },
      });
    });
    afterEach(async () => {
      await bench?.close();
      for (const path of [local, `${local}-keyed`]) rmSync(path, { recursive: true, force: true });
    });
    const details = async (id: bigint) => (await bench.client.getOrder(id)).upstream?.solo?.details ?? {};
    const says = (id: bigint, what: RegExp) =>
      expect.poll(async () => (await details(id)).Delivery, { timeout: 20_000 }).toMatch(what);

    /** Neither what was logged nor what the store and the interface hold says the password. */
    const nowhere = async (id: bigint): Promise<void> => {
      const password = server.password!;
      expect(bench.log().length).toBeGreaterThan(500);
      expect(bench.log()).not.toContain(password);
      expect(bench.log()).not.toContain(encodeURIComponent(password));
      const json = (value: unknown) =>
        JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item));
      expect(json(await bench.client.getOrder(id))).not.toContain(password);
      const tables = [
        'edds_job',
        'edds_order',
        'edds_placing',
        'edds_product',
        'standing_order',
        'delivery',
        'attempt',
        'event',
      ];
      for (const table of tables) {
        const { rows } = await sql`select * from ${sql.table(table)}`.execute(bench.gateway.store.db);
        expect(json(rows)).not.toContain(password);
      }
    };

    it('to a named target with a password, which is nowhere to be read', async () => {
      const id = await order(bench, `named:ops/${name}`);
      await until('three parts are told', async () => (await deliveries(bench, id, 'notified')).length >= 3);
      const told = await deliveries(bench, id, 'notified');
      for (const row of told) {
        const bytes = readFileSync(join(local, row.ref.key));
        expect(row).toMatchObject({
          ...{ bytes: BigInt(bytes.length), targetCheck: 'complete' },
          checksum: createHash('sha256').update(bytes).digest('hex'),
          location: expect.stringContaining(encodeURIComponent(row.ref.key)),
        });
        expect(new URL(row.location!).password).toBe('');
      }
      await expectConsecutive(told.map(({ ref }) => join(local, ref.key)));
      const stream = requests(bench).find(({ kind }) => kind === 'StreamRequest');
      expect(stream!.server).toMatchObject({ Protocol: 'SFTP', UserName: server.username, Password: server.password });
      await nowhere(id);
    });

    it('to a place with the password in deliverTo', async () => {
      const { username, password } = server;
      const { host } = new URL(server.url);
      const id = await order(bench, `sftp://${username}:${password}@${host}${server.folder}/${name}`);
      await until('parts are told', async () => (await deliveries(bench, id, 'notified')).length >= 2);
      expect((await deliveries(bench, id, 'notified'))[0]!.targetCheck).toBe('complete');
      await nowhere(id);
    });

    it('not to a login by key, which cannot be handed on: the gateway sends and says so', async () => {
      const id = await order(bench, 'named:keyed');
      await until('a part is told', async () => (await deliveries(bench, id, 'notified')).length >= 1);
      expect((await deliveries(bench, id, 'notified'))[0]!.targetCheck).toBe('verified');
      await says(id, /^the gateway sends: .*its login is by key, which cannot be handed on/);
      expect(requests(bench).every(({ server: one }) => one === null)).toBe(true);
    });
  });
}
