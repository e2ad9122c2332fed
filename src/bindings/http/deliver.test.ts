import { describe, expect, it } from 'vitest';
import { fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { json, serve } from '../../../test/http/serve.js';
import { MpdError } from '../../mpd/index.js';

describe('deliver', () => {
  it('reports each file as it arrives and then the end; a fault in between is told', async () => {
    const gateway = fakeGateway();
    const { metadata } = product('a.pkt', 'x');
    const at = 1_767_225_600_000_000_000n;
    const delivery = {
      id: 1n,
      orderID: 7n,
      ref: metadata.productRef,
      revision: 'r',
      round: 1,
      state: 'notified' as const,
      cause: null,
      errorClass: null,
      filename: 'a.pkt',
      location: 'file:///x/a.pkt',
      bytes: 1n,
      checksum: null,
      sourceCheck: 'ok' as const,
      targetCheck: 'verified' as const,
      attempts: 1,
      published: 0,
      nextAttemptAt: null,
      createdAt: at,
      updatedAt: at,
    }; // prettier-ignore
    let fail = false;
    gateway.deliveries.deliverFiles = async () => ({
      orderID: 7n,
      files: (async function* () {
        yield { index: 0, metadata, filename: 'a.pkt', success: true, delivery };
        if (fail) throw new MpdError('Internal', { class: 'fatal', message: 'the database went away' });
      })(),
    });
    const { fetch } = await serve(gateway);
    const call = async () =>
      (
        await (
          await fetch('/api/v1/products:deliver', json({ productRefs: [metadata.productRef], deliverTo: 'file:///x' }))
        ).text()
      )
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const [accepted, file, end] = await call();
    expect(accepted).toEqual({ accepted: { orderID: 7, files: 1 } });
    expect(file).toMatchObject({ index: 0, filename: 'a.pkt', success: true, delivery: { targetCheck: 'verified' } });
    expect(end).toEqual({ end: { complete: true, count: 1, next: null } });
    fail = true;
    expect((await call()).at(-1)).toEqual({
      end: { complete: false, count: 1, next: null, error: { code: 'Internal', detail: 'the database went away' } },
    });
  });
});
