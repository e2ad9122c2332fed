import { createServer } from 'node:http';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { targetConformance } from '../../../test/conformance/index.js';
import { describeWithService, type Service, unique } from '../../../test/services/index.js';
import type { PutOptions, SourceBody, TargetConfig } from '../../gateway/target.js';
import { createGuard } from '../../net/guard.js';
import { createTarget, s3Target } from './index.js';
import { inParts, partSizeFor } from './parts.js';

const never = new AbortController().signal;
const bucket = unique('mpd-target');
const guard = createGuard({
  allow: [bucket, 'later-bucket', 'unnamed-bucket'].map((host) => ({ scheme: 's3', host })),
});
afterAll(() => guard.close());

const put: PutOptions = { verify: 'readback', overwrite: true, deliveryId: 'd1', epoch: 1, signal: never };
const text = (content: string): SourceBody => ({ size: content.length, stream: pieces([content]) });
async function* pieces(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

function configFor(s3: Service, change: Readonly<Record<string, unknown>> = {}): TargetConfig {
  const account = { endpoint: s3.url, accessKeyId: s3.username, secretAccessKey: s3.password, ...change };
  const named = { test: { uri: `s3://${bucket}`, ...account } };
  return { allow: [], named, inlineCredentials: false };
}

for (const server of ['versitygw', 'minio'] as const)
  await describeWithService(server, 's3 target', (s3) => {
    const client = new S3Client({
      ...{ endpoint: s3.url, region: 'us-east-1', forcePathStyle: true },
      credentials: { accessKeyId: s3.username ?? '', secretAccessKey: s3.password ?? '' },
    });
    const keysBelow = async (prefix: string): Promise<readonly string[]> => {
      const found = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
      return (found.Contents ?? []).map((object) => object.Key ?? '').filter((key) => !key.endsWith('/'));
    };
    beforeAll(() => client.send(new CreateBucketCommand({ Bucket: bucket })));
    afterAll(async () => {
      for (const Key of await keysBelow('')) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
      await client.send(new DeleteBucketCommand({ Bucket: bucket }));
      client.destroy();
    });
    let places = 0;

    targetConformance(`s3 on ${server}`, {
      create: () => createTarget(configFor(s3), { log: undefined as never, guard }),
      async place() {
        const prefix = `place ${++places} #%`;
        const place = (name: string) => ({ Bucket: bucket, Key: `${prefix}/${name}` });
        const list = async () => (await keysBelow(`${prefix}/`)).map((key) => key.slice(prefix.length + 1));
        return {
          uri: new URL(`s3://${bucket}/${encodeURIComponent(prefix)}`),
          list,
          read: async (name) => {
            const body = (await client.send(new GetObjectCommand(place(name)))).Body;
            return (await body?.transformToByteArray()) ?? new Uint8Array();
          },
          write: async (name, content) =>
            void (await client.send(new PutObjectCommand({ ...place(name), Body: content }))),
          async remove() {
            for (const name of await list()) await client.send(new DeleteObjectCommand(place(name)));
          },
        };
      },
      refused: [
        [() => 's3://somebody-elses-bucket/in', /not on the list/],
        [() => 's3://unnamed-bucket/in', /no credentials/],
        [() => `s3://me:word@${bucket}/in`, /credentials in deliverTo/],
        [() => `s3://${bucket}/in?versionId=1`, /query/],
      ],
      notYet: () => null,
      skip: {
        notYet: 'a bucket that is missing makes its named target unhealthy; tested below',
        temporaryFiles: 'an object appears at the end of its upload, nothing is stored before',
        corruption: 'the server takes bytes only with the SHA-256 that was sent along',
        directoryInTheWay: 'a bucket has no folders',
      },
    });

    describe('logins and leftovers', () => {
      it.each([
        ['a wrong secret', { secretAccessKey: 'wrong' }],
        ['an unknown key', { accessKeyId: 'nobody' }],
      ])('refuses %s', async (_, change) => {
        const target = s3Target(configFor(s3, change), guard);
        expect(await target.probe(new URL(`s3://${bucket}`), never)).toMatchObject({
          ...{ status: 'refused', reason: expect.stringContaining('refused the login') },
        });
        await expect(target.put(new URL(`s3://${bucket}`), 'f', text('x'), put)).rejects.toMatchObject({
          class: 'target-down',
        });
        expect(await target.check()).toMatchObject({ ok: false });
        await target.close();
      });

      it('says notYet for a bucket that does not exist', async () => {
        const target = s3Target(configFor(s3, { uri: 's3://later-bucket' }), guard);
        expect(await target.probe(new URL('s3://later-bucket/in'), never)).toEqual({
          status: 'notYet',
          reason: 's3://later-bucket/in: no such bucket',
        });
        expect(await target.check()).toEqual({ ok: false, reason: 's3://later-bucket: no such bucket' });
        await target.close();
      });

      it('aborts the unfinished uploads of a key, and only of that key', async () => {
        const begin = (Key: string) => client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }));
        await begin('stale/a');
        await begin('stale/a');
        await begin('stale/a.other');
        const target = s3Target(configFor(s3), guard);
        await target.clean(new URL(`s3://${bucket}/stale`), 'a', 'd1', never);
        const left = async (Key: string) => {
          const found = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: Key }));
          return (found.Uploads ?? []).filter((upload) => upload.Key === Key).length;
        };
        expect([await left('stale/a'), await left('stale/a.other')]).toEqual([0, 1]);
        await target.clean(new URL(`s3://${bucket}/stale`), 'a.other', 'd1', never);
        await target.close();
      });

      it('leaves no parts behind when a large source fails', async () => {
        const target = s3Target(configFor(s3), guard);
        async function* failing(): AsyncGenerator<Uint8Array> {
          for (let i = 0; i < 20; i++) yield new Uint8Array(1 << 20);
          throw new Error('the source broke');
        }
        const uri = new URL(`s3://${bucket}/broken`);
        await expect(target.put(uri, 'big', { size: null, stream: failing() }, put)).rejects.toThrow();
        const found = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: 'broken/big' }));
        expect(found.Uploads ?? []).toEqual([]);
        expect(await keysBelow('broken/')).toEqual([]);
        await target.close();
      });
    });
  });

describe('s3 target and a server in trouble', () => {
  const answering = async (status: number, code: string, work: (uri: string) => Promise<void>): Promise<void> => {
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        response.writeHead(status, { 'content-type': 'application/xml' });
        response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await work(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  };
  const nobody = { name: 'none', url: 'http://127.0.0.1:9', username: 'k', password: 's' };

  it.each([
    [503, 'SlowDown', 'retry'],
    [503, 'ServiceUnavailable', 'target-down'],
    [500, 'InternalError', 'target-down'],
    [403, 'AccessDenied', 'retry'],
    [400, 'BadDigest', 'retry'],
    [400, 'EntityTooLarge', 'refuse'],
    [400, 'ExpiredToken', 'target-down'],
  ])('%i %s is of class %s', async (status, code, expected) => {
    await answering(status, code, async (endpoint) => {
      const target = s3Target(configFor(nobody, { endpoint }), guard);
      const failed = target.put(new URL(`s3://${bucket}`), 'f', text('x'), put);
      await expect(failed).rejects.toMatchObject({ code: 'Delivery Failed', class: expected });
      await target.close();
    });
  });

  it('says target-down when nobody listens, and the probe says notYet', async () => {
    const target = s3Target(configFor(nobody), guard);
    const uri = new URL(`s3://${bucket}`);
    await expect(target.put(uri, 'f', text('x'), put)).rejects.toMatchObject({ class: 'target-down' });
    expect(await target.probe(uri, never)).toMatchObject({ status: 'notYet' });
    await target.close();
  });
});

describe('parts', () => {
  it('are of one size except the last, whatever the chunks', async () => {
    const sizes: number[] = [];
    for await (const part of inParts(pieces(['abc', 'defgh', '', 'ij', 'klmnopqrstu']), 4)) sizes.push(part.length);
    expect(sizes).toEqual([4, 4, 4, 4, 4, 1]);
    for await (const _ of inParts(pieces([]), 4)) throw new Error('an empty stream has no parts');
  });

  it('never number more than 10 000', () => {
    for (const size of [0, 1, 5e9, 1e12, 5e12]) expect(Math.ceil(size / partSizeFor(size))).toBeLessThanOrEqual(10_000);
    expect(partSizeFor(null)).toBeGreaterThanOrEqual(5 * 1024 * 1024);
  });
});
