import { CreateQueueCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { parseMessage } from '../../adapters/datadrive/queue.js';
import type { DataDriveTables } from '../../adapters/datadrive/tables.js';
import type { DataDriveSimulator, FileDocument } from '../../simulators/datadrive/index.js';
import type { Backend, Change } from '../../src/gateway/backend.js';
import type { TestStore } from '../../src/store/testing.js';
import { describeWithService, unique } from '../services/index.js';
import { configFor, dataDriveStore, openDataDrive } from './backend.js';
import { startOn } from './harness.js';

const REMOVED = ['OBJ_REMOVED_FROM_INDEX', 'OBJ_REMOVED_DELETED'];

/** What the topic of a site publishes of a file, in the forms that are known. */
const FORMS: Readonly<Record<string, (document: FileDocument, name: string) => object>> = {
  'as the websocket has it': (document, name) => ({
    ...{ package_id: document.ocs_package_id, dataset_id: document.ocs_dataset_id, identity: 'm2020-ids' },
    ...{ ocs_full_name: document.ocs_full_name, ocs_url: document.ocs_url },
    ...{ package_dataset_event: name, package_dataset_event_time: 1 },
  }),
  'in the envelope of the topic': (document, name) => ({
    ...{ Type: 'Notification', TopicArn: 'arn:aws:sns:us-gov-west-1:1:ocs' },
    Message: JSON.stringify({ dataset_id: document.ocs_dataset_id, package_dataset_event: name }),
  }),
  'in the oldest form': (document, name) => ({
    ...{ event_type: name === 'OCS object indexed' ? 'OBJ_INDEXED' : name, user: 'user-a', event_time: 1 },
    dataset_id: document.ocs_dataset_id,
  }),
};

it.each([
  ['nonsense', 'nonsense', null],
  ['another JSON', '[]', null],
  ['a test of the bucket', '{"Event":"s3:TestEvent","Bucket":"b"}', null],
  ['an upload status', '{"upload_status":"done","username":"u","upload_name":"n","failed":false}', null],
  ['an event without an id', '{"event_type":"OBJ_INDEXED","user":"u","event_time":1}', 'hint'],
  ['an event of a bucket', '{"Records":[{"eventName":"ObjectCreated:Put","s3":{}}]}', 'hint'],
  ['an event of a bucket by the event bus', '{"source":"aws.s3","detail-type":"Object Created"}', 'hint'],
] as const)('of the messages of a queue, %s is %s → %s', (_, text, meaning) => {
  expect(parseMessage(text, REMOVED)).toEqual(meaning);
});

await describeWithService(
  ['elasticsearch', 'versitygw', 'elasticmq'],
  'DataDrive followed by a queue',
  (index, s3, sqs) => {
    let dd: DataDriveSimulator;
    let store: TestStore<DataDriveTables>;
    let client: SQSClient;
    let queue: string;
    const opened: Backend[] = [];
    const account = () => ({ accessKeyId: sqs.username ?? '', secretAccessKey: sqs.password ?? '' });

    beforeAll(async () => {
      dd = await startOn(index, s3);
      store = await dataDriveStore();
      client = new SQSClient({ endpoint: sqs.url, region: 'elasticmq', credentials: account() });
    });
    // One for each test: what an earlier reader had asked for when it ended may go to it.
    beforeEach(async () => {
      queue = (await client.send(new CreateQueueCommand({ QueueName: unique('events') }))).QueueUrl ?? '';
    });
    afterEach(async () => {
      for (const backend of opened.splice(0)) await backend.close();
    });
    afterAll(async () => {
      client.destroy();
      await store.close();
      await dd.stop({ destroy: true });
    });

    /** No websocket, and a poll and a sweep that are far away: what comes, comes by the queue. */
    const open = async (change: Readonly<Record<string, unknown>> = {}): Promise<Backend> => {
      const { middleware: _, ...rest } = configFor(dd, s3, { id: unique('q') });
      const feed = { poll: 60_000, sweep: 600_000 };
      const backend = await openDataDrive(store, {
        ...rest,
        feed,
        queue: { url: queue, region: 'elasticmq', ...account(), ...change },
      });
      opened.push(backend);
      return backend;
    };
    const send = (body: object | string) =>
      client.send(
        new SendMessageCommand({
          QueueUrl: queue,
          MessageBody: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      );
    const put = async (name: string): Promise<FileDocument> => {
      const file = { package: 'm2020-spice', fullName: `/queue/${name}`, type: 'm2020-spice-kernel' };
      return (await dd.put({ ...file, body: Buffer.from(name), metadata: { kernel_type: 'CK' } })).document;
    };
    const start = async (backend: Backend) =>
      (await backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(10_000) })).cursor;
    const next = async (backend: Backend, cursor: string) => {
      const seen: Change[] = [];
      let at = cursor;
      while (seen.length === 0) {
        const result = await backend.follow({ cursor: at, interest: null }, { signal: AbortSignal.timeout(30_000) });
        seen.push(...result.changes);
        at = result.cursor;
      }
      return { seen, cursor: at };
    };

    it.each(Object.entries(FORMS))('a message %s brings a new file at once, and its removal', async (form, message) => {
      const backend = await open();
      let cursor = await start(backend);
      // The first look of a new connection is past, so that only the message can tell.
      const quiet = backend.follow({ cursor, interest: null }, { signal: AbortSignal.timeout(30_000) });
      const document = await put(`${form.replaceAll(' ', '-')}.bc`);
      await send('nonsense');
      await send(message(document, 'OCS object indexed'));
      const first = await quiet;
      expect(first.changes).toMatchObject([
        { kind: 'new', entry: { metadata: { productRef: { key: document.ocs_dataset_id } } } },
      ]);
      cursor = first.cursor;
      await dd.delete(document.ocs_dataset_id);
      await send(message(document, 'OBJ_REMOVED_DELETED'));
      expect((await next(backend, cursor)).seen).toMatchObject([
        { kind: 'removed', ref: { key: document.ocs_dataset_id } },
      ]);
    });

    it('an event of a bucket has the index asked until the document shows', async () => {
      const backend = await open();
      const cursor = await start(backend);
      dd.setFault('indexLagMs', 2500, { count: 1 });
      const document = await put('bucket.bc');
      await send({ Records: [{ eventName: 'ObjectCreated:Put', s3: { object: { key: 'queue/bucket.bc' } } }] });
      expect((await next(backend, cursor)).seen).toMatchObject([
        { kind: 'new', entry: { metadata: { productRef: { key: document.ocs_dataset_id } } } },
      ]);
    });

    it('messages that came while nobody read are read, once; the same twice changes nothing', async () => {
      const first = await open();
      const cursor = await start(first);
      await first.close();
      const document = await put('waiting.bc');
      const message = FORMS['as the websocket has it']!(document, 'OCS object indexed');
      await send(message);
      await send(message);
      const backend = await open();
      const { seen } = await next(backend, await start(backend).then(() => cursor));
      expect(
        seen.filter((change) => change.kind !== 'removed' && change.entry.path === 'queue/waiting.bc').length,
      ).toBeLessThanOrEqual(1);
    });

    it('a queue that is not there is no end: polling goes on, and doctor says so', async () => {
      const backend = await open({ url: `${sqs.url}/000000000000/no-such-queue` });
      const cursor = await start(backend);
      const document = await put('polled.bc');
      const waiting = backend.follow({ cursor, interest: null }, { signal: AbortSignal.timeout(30_000) });
      expect(await Promise.race([waiting.then(() => 'told'), Promise.resolve('quiet')])).toBe('quiet');
      const examined: unknown[] = [];
      for await (const one of (backend as Backend & { examine(signal: AbortSignal): AsyncIterable<unknown> }).examine(
        AbortSignal.timeout(20_000),
      ))
        examined.push(one);
      expect(examined).toContainEqual({
        part: `event queue ${sqs.url}/000000000000/no-such-queue`,
        state: 'bad',
        found: expect.stringMatching(/does not exist|NonExistent/),
        todo: expect.stringContaining('queue.url'),
      });
      expect(document.ocs_dataset_id).not.toBe('');
    });
  },
);
