import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Scene } from './site.js';
import { type Act, faultFamily } from './stage.js';

const connected = (scene: Scene) => expect.poll(() => scene.dd.state().sockets, { timeout: 60_000 }).toBeGreaterThan(0);

/** So many files while the switch is on. */
const files = (count: number, on: (scene: Scene) => void): Act => ({
  async play(scene) {
    await connected(scene);
    on(scene);
    for (let n = 1; n <= count; n++) await scene.put(`f${n}.bc`);
    await scene.settled(count);
  },
});

/** Where a feed counts as silent soon. */
const IMPATIENT = 'with a short silence';

const reconnecting = (on: (scene: Scene) => void, stage = 'main'): Act => ({
  on: stage,
  async play(scene) {
    await connected(scene);
    on(scene);
    await scene.put('f1.bc');
    await scene.settled(1);
    // Two rounds of silence, so that one that goes on is told once.
    await sleep(4000);
    scene.dd.clearFaults();
    await connected(scene);
    await scene.put('f2.bc');
    await scene.settled(2);
    scene.note('the feed is connected again');
  },
});

const stages = () => ({
  main: () => ({}),
  [IMPATIENT]: (dd: Scene['dd']) => ({ middleware: { url: dd.url, silence: '1500ms' } }),
});

await faultFamily('feed', stages, {
  indexLagMs: files(2, ({ dd }) => dd.setFault('indexLagMs', 1500, { count: 2 })),
  eventLagMs: files(2, ({ dd }) => dd.setFault('eventLagMs', 1500)),
  dropEvents: files(3, ({ dd }) => dd.setFault('dropEvents', true)),
  dupEvents: files(3, ({ dd }) => dd.setFault('dupEvents', true)),
  shuffleEvents: files(3, ({ dd }) => dd.setFault('shuffleEvents', 3)),
  stringBooleans: {
    async play(scene) {
      await connected(scene);
      scene.dd.setFault('stringBooleans', true);
      const { document } = await scene.put('f1.bc');
      await scene.settled(1);
      await scene.dd.touch(document.ocs_dataset_id);
      await scene.settled(1);
    },
  },
  removalEvents: {
    async play(scene) {
      await connected(scene);
      const { gateway, operator } = scene.site;
      await gateway.orders.pause(scene.orderID, 'hold', operator);
      const { document } = await scene.put('f1.bc');
      await scene.put('f2.bc');
      await scene.settled(2, ['matched', 'queued']);
      scene.dd.setFault('removalEvents', true);
      await scene.dd.delete(document.ocs_dataset_id);
      await scene.settled(1, ['withdrawn']);
      await gateway.orders.resume(scene.orderID, operator);
      await scene.settled(1);
      scene.see(await scene.products());
    },
  },
  cutSocket: reconnecting(({ dd }) => dd.setFault('cutSocket', true, { count: 1 })),
  freezeSocket: reconnecting(({ dd }) => dd.setFault('freezeSocket', true), IMPATIENT),
  noPong: reconnecting(({ dd }) => dd.setFault('noPong', true), IMPATIENT),
  'clockSkewMs: an hour behind': files(2, ({ dd }) => dd.setFault('clockSkewMs', -3_600_000)),
  'clockSkewMs: an hour ahead': files(2, ({ dd }) => dd.setFault('clockSkewMs', 3_600_000)),
});
