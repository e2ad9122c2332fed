import { createHash, randomBytes } from 'node:crypto';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, it } from 'vitest';
import { createGuard } from '../../src/net/guard.js';
import { describeWithService, unique } from '../../test/services/index.js';
import { s3Source } from './s3.js';

await describeWithService('versitygw', 'large objects of a bucket', (s3) => {
  const Key = 'a b/ü+%2F(x)!~.bin';
  const data = randomBytes(6 << 20);
  const { signal } = new AbortController();

  async function setUp() {
    const bucket = unique('large');
    const login = { accessKeyId: s3.username ?? '', secretAccessKey: s3.password ?? '' };
    const client = new S3Client({ endpoint: s3.url, region: 'us-east-1', forcePathStyle: true, credentials: login });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const { ETag = '' } = await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: data }));
    client.destroy();
    const guard = createGuard({ allow: [{ scheme: 'http', host: '127.0.0.1' }] });
    const config = { endpoint: s3.url, region: 'us-east-1', buckets: [bucket], checkEtag: true, ...login };
    const source = s3Source(config as never, guard);
    const close = (): void => {
      source.close();
      guard.close();
    };
    const fetch = (key: string, offset: number, etag: string | null) =>
      source.fetch(`s3://${bucket}/${key}`, { offset, etag, large: true, signal });
    return { fetch, etag: ETag.replaceAll('"', ''), close };
  }

  it('come on a connection of their own from any offset, held to their content, with the same refusals', async () => {
    const { fetch, etag, close } = await setUp();
    try {
      for (const offset of [0, 1_234_567]) {
        const found = await fetch(Key, offset, etag);
        if (typeof found === 'string') throw new Error(found);
        expect(found).toMatchObject({ size: data.length, etag, release: expect.any(Function) });
        const hash = createHash('sha256');
        for await (const chunk of found.stream as AsyncIterable<Uint8Array>) {
          hash.update(chunk);
          found.release?.(chunk);
        }
        expect(hash.digest('hex')).toBe(createHash('sha256').update(data.subarray(offset)).digest('hex'));
      }
      expect(await fetch(Key, 0, 'f'.repeat(32))).toBe('changed');
      expect(await fetch('none.bin', 0, null)).toBe('missing');
    } finally {
      close();
    }
  });
});
