import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Scene } from './site.js';
import { type Act, faultFamily } from './stage.js';

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** A file whose bytes are fetched while the switch is on for some requests. */
const once = (on: (scene: Scene) => void, text = 'x'.repeat(5000)): Act => ({
  async play(scene) {
    on(scene);
    await scene.put('f1.bc', text, { kernel_type: 'CK', md5: md5(text) });
    await scene.settled(1);
  },
});

/** The switch stays on until the ledger has a reason; then it goes off. */
const lasting = (on: (scene: Scene) => void): Act => ({
  async play(scene) {
    on(scene);
    await scene.put('f1.bc');
    const caused = async () => (await scene.ledger())[0]?.cause ?? null;
    await expect.poll(caused, { timeout: 90_000 }).not.toBeNull();
    scene.see(await scene.cause());
    expect(() => scene.delivered('f1.bc')).toThrow('ENOENT');
    scene.dd.clearFaults();
    await scene.settled(1);
  },
});

const redriven = async (scene: Scene): Promise<void> => {
  const { gateway, operator } = scene.site;
  await scene.settled(1, ['dead']);
  scene.see(await scene.cause());
  expect(() => scene.delivered('f1.bc')).toThrow('ENOENT');
  scene.dd.clearFaults();
  expect(await gateway.deliveries.redrive(scene.orderID, 'dead', operator)).toBe(1);
  await scene.settled(1);
  scene.note('dead and not visible before `orders redrive`');
};

await faultFamily(
  'endpoint',
  (_index, s3) => ({ main: (dd) => ({ bodies: 'pep', pep: { url: dd.url, links: [s3.url] } }) }),
  {
    'pepStatus: 503 once': once(({ dd }) => dd.setFault('pepStatus', 503, { count: 1 })),
    'pepStatus: 503 beyond the deadline': {
      order: { deadlineSeconds: 1 },
      async play(scene) {
        scene.dd.setFault('pepStatus', 503);
        await scene.put('f1.bc');
        await redriven(scene);
      },
    },
    pepDelayMs: once(({ dd }) => dd.setFault('pepDelayMs', 1500, { count: 1 })),
    'truncateBody: with a length': once(({ dd }) => dd.setFault('truncateBody', 'length', { count: 1 })),
    'truncateBody: chunked': once(({ dd }) => dd.setFault('truncateBody', 'chunked', { count: 1 })),
    'wrongBytes: deliver-flagged': {
      async play(scene) {
        scene.dd.setFault('wrongBytes', true, { count: 1 });
        await scene.put('f1.bc', 'content', { kernel_type: 'CK', md5: md5('content') });
        await scene.settled(1);
        scene.see(await scene.cause());
      },
    },
    'wrongBytes: hold': {
      order: { onBadSource: 'hold' },
      async play(scene) {
        scene.dd.setFault('wrongBytes', true, { count: 1 });
        await scene.put('f1.bc', 'content', { kernel_type: 'CK', md5: md5('content') });
        await redriven(scene);
      },
    },
    'presignExpired: once': once(({ dd }) => dd.setFault('presignExpired', true, { count: 1 })),
    'presignExpired: always': lasting(({ dd }) => dd.setFault('presignExpired', true)),
    crossHostRedirect: {
      async play(scene) {
        scene.dd.setFault('crossHostRedirect', true);
        await scene.put('f1.bc');
        await redriven(scene);
      },
    },
  },
);
