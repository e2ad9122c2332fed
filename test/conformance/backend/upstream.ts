import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Upstream, UpstreamOrder } from '../../../src/gateway/backend.js';
import { isMpdError } from '../../../src/mpd/index.js';
import type { BackendFixture, BackendHarness } from './fixture.js';

/** The system's own view of what is ordered there. */
export interface UpstreamView {
  /** How many requests or orders stand there for this gateway now. */
  standing(): Promise<number>;
  /** Orders something there as somebody else does; the id that `list` shows. */
  foreign(): Promise<string>;
}

const HOUR = 3_600_000_000_000n;
const now = (): bigint => BigInt(Date.now()) * 1_000_000n;

/** The rules of the port's `upstream`: for backends that say they have it, on systems that can be looked into. */
export function backendUpstream(harness: BackendHarness): void {
  const { patience = 30_000, upstream: looks = false } = harness;
  describe.skipIf(!looks)(`orders at the system${looks ? '' : ' (none, or its fixture does not show them)'}`, () => {
    let system: BackendFixture;
    let backend: Backend;
    let upstream: Upstream;
    let view: UpstreamView;

    beforeAll(async () => {
      system = await harness.create();
      backend = system.backend;
      if (system.upstream === undefined || backend.upstream === undefined) {
        throw new Error('no upstream, or no view of the system');
      }
      upstream = backend.upstream;
      view = system.upstream;
    });
    afterAll(() => system?.close());

    const order = (orderId: bigint, part: Partial<UpstreamOrder> = {}): UpstreamOrder => ({
      ...{ orderId, user: 'alice', filter: null, validity: null, remoteId: null },
      ...part,
    });
    const standing = (count: number): Promise<void> =>
      until(patience, async () => {
        const found = await view.standing();
        return found === count ? null : `${found} stand there, not ${count}`;
      });

    it('says in its capabilities that it has them', () => {
      expect(backend.capabilities.upstream).toBe(true);
    });

    it('orders nothing there while nobody here has ordered', async () => {
      await sleep(500);
      expect(await view.standing()).toBe(0);
    });

    it('is asked again and again and orders once; says what stands there', async () => {
      const id = await upstream.ensure(order(7n));
      await until(patience, async () => ((await view.standing()) > 0 ? null : 'nothing stands there'));
      const first = await view.standing();
      for (let times = 0; times < 3; times++) expect(await upstream.ensure(order(7n, { remoteId: id }))).toBe(id);
      await sleep(500);
      expect(await view.standing()).toBe(first);
      expect(await upstream.status(id)).toMatchObject({ id, orderId: 7n, state: expect.stringMatching(/\S/) });
      await until(patience, async () => {
        const mine = (await upstream.list()).filter(({ orderId }) => orderId === 7n);
        return mine.length === first ? null : `${mine.length} of ours are listed, not ${first}`;
      });
    });

    it('orders nothing again after a restart', async () => {
      const before = await view.standing();
      backend = await system.restart(async () => undefined);
      upstream = backend.upstream!;
      await upstream.ensure(order(7n));
      await sleep(1500);
      expect(await view.standing()).toBe(before);
    });

    it('lists what others have ordered, for looking at only', async () => {
      const id = await view.foreign();
      const listed = await upstream.list();
      expect(listed.find((status) => status.id === id)).toMatchObject({ orderId: null });
      await expect(upstream.cancel(id)).rejects.toSatisfy((error) => isMpdError(error));
      expect((await upstream.list()).map((status) => status.id)).toContain(id);
    });

    it('keeps there what another order here still wants, and cancels with the last', async () => {
      const [seven, eight] = [await upstream.ensure(order(7n)), await upstream.ensure(order(8n))];
      await until(patience, async () => ((await view.standing()) > 0 ? null : 'nothing stands there'));
      await upstream.cancel(seven);
      await sleep(500);
      expect(await view.standing()).toBeGreaterThan(0);
      await upstream.cancel(eight);
      await standing(0);
    });

    it('cancels there what has ended here', async () => {
      const end = now() + 2_000_000_000n;
      const id = await upstream.ensure(order(9n, { validity: { start: now() - HOUR, end } }));
      await until(patience, async () => ((await view.standing()) > 0 ? null : 'nothing stands there'));
      await standing(0);
      expect(now()).toBeGreaterThan(end);
      expect((await upstream.status(id)).orderId).toBe(9n);
    });
  });
}

async function until(patience: number, look: () => Promise<string | null>): Promise<void> {
  const end = performance.now() + patience;
  for (;;) {
    const wrong = await look();
    if (wrong === null) return;
    if (performance.now() > end) throw new Error(`not within ${patience} ms: ${wrong}`);
    await sleep(20);
  }
}
