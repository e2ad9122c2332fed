import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { clientOf, read, refused, sha } from '../../../test/http/client.js';
import { chunks, type FakeGateway, fakeGateway, product } from '../../../test/http/fake-gateway.js';

describe('a body', () => {
  const bytes = new Uint8Array(randomBytes(500_000));
  const entry = product('dir/a.pkt', bytes, { checksum: sha(bytes) });
  const { productRef } = entry.metadata;

  it('arrives whole, checked, or from an offset', async () => {
    const { client } = await clientOf(fakeGateway([entry]));
    const body = await client.getProduct(productRef);
    expect(body).toMatchObject({ size: 500_000, revision: entry.revision, fileName: 'a.pkt', sha256: sha(bytes) });
    expect((await read(body.stream)).equals(bytes)).toBe(true);
    const rest = await client.getProduct(productRef, { offset: 499_990 });
    expect((await read(rest.stream)).equals(bytes.subarray(499_990))).toBe(true);
    expect(await read((await client.getProduct(productRef, { offset: 500_000 })).stream)).toHaveLength(0);
    expect((await refused(client.getProduct(productRef, { offset: 500_001 }))).field).toBe('offset');
  });

  /** Bodies break off after so many bytes each, until all is through. */
  function breaking(gateway: FakeGateway, piece: number) {
    const offsets: number[] = [];
    gateway.body = (found, offset) => {
      offsets.push(offset);
      return {
        revision: found.revision,
        size: bytes.byteLength,
        claim: null,
        stream: (async function* () {
          yield* chunks(bytes.subarray(offset, offset + piece), 10_000);
          if (offset + piece < bytes.byteLength) throw new Error('lost');
        })(),
      };
    };
    return offsets;
  }

  it('goes on where the connection was lost', async () => {
    const gateway = fakeGateway([entry]);
    const offsets = breaking(gateway, 200_000);
    const { client } = await clientOf(gateway);
    expect((await read((await client.getProduct(productRef)).stream)).equals(bytes)).toBe(true);
    expect(offsets[0]).toBe(0);
    expect(offsets.length).toBeGreaterThan(2);
    expect([...offsets].sort((a, b) => a - b)).toEqual(offsets);
  });

  it('is never mixed with other content: when it changes meanwhile the stream fails', async () => {
    const gateway = fakeGateway([entry]);
    breaking(gateway, 200_000);
    const { client } = await clientOf(gateway);
    const { stream } = await client.getProduct(productRef);
    const reader = stream[Symbol.asyncIterator]();
    await reader.next();
    gateway.entries[0] = { ...entry, revision: 'other' };
    const drained = (async () => {
      while (!(await reader.next()).done);
    })();
    expect(await refused(drained)).toMatchObject({ code: 'Unknown', class: 'refuse' });
    expect(await refused(client.getProduct(productRef, { offset: 100, revision: entry.revision }))).toMatchObject({
      code: 'Unknown',
    });
  });

  it('that does not have its SHA-256 fails at the end', async () => {
    const { client } = await clientOf(
      fakeGateway([{ ...entry, metadata: { ...entry.metadata, checksum: sha(new Uint8Array(1)) } }]),
    );
    expect(await refused(read((await client.getProduct(productRef)).stream))).toMatchObject({
      code: 'Delivery Failed',
    });
  });

  it('gives up after so many losses in a row', async () => {
    const gateway = fakeGateway([entry]);
    const offsets = breaking(gateway, 0);
    const { client } = await clientOf(gateway, { retries: 1 });
    const whole = async () => read((await client.getProduct(productRef)).stream);
    expect(await refused(whole())).toMatchObject({ code: 'Destination Lost', class: 'retry' });
    expect(offsets.length).toBeLessThanOrEqual(4);
  });

  it('whose reader leaves lets the source go', async () => {
    const gateway = fakeGateway([entry]);
    let gone = false;
    gateway.body = (found, _offset, signal) => {
      signal.addEventListener('abort', () => (gone = true));
      const stream = (async function* () {
        for (;;) {
          yield new Uint8Array(1000);
          await new Promise(setImmediate);
        }
      })();
      return { revision: found.revision, size: null, claim: null, stream };
    };
    const { client } = await clientOf(gateway);
    for await (const _ of (await client.getProduct(productRef)).stream) break;
    while (!gone) await new Promise((resolve) => setTimeout(resolve, 10));
  });
});
