import { expect } from 'vitest';
import type { Scene } from './site.js';
import { type Act, faultFamily } from './stage.js';

/** 25 files over three pages; the switch is on while they are listed. */
const listing = (on: (scene: Scene) => void, then: (scene: Scene) => Promise<void> = async () => {}): Act => ({
  async play(scene) {
    await Promise.all(Array.from({ length: 25 }, (_, n) => scene.put(`f${n}.bc`)));
    await scene.settled(25);
    on(scene);
    scene.see(await scene.products());
    await then(scene);
  },
});

/** The switch stays on; what is indexed meanwhile comes when it is off. */
const lasting = (on: (scene: Scene) => void): Act => ({
  async play(scene) {
    await scene.put('f1.bc');
    await scene.settled(1);
    on(scene);
    await scene.put('f2.bc');
    await expect.poll(() => scene.sees(), { timeout: 90_000 }).toContain('following the backend failed');
    scene.see(await scene.products());
    scene.see(await scene.doctor());
    scene.dd.clearFaults();
    await scene.settled(2);
    expect(await scene.products()).toBe('products list (exit 0): 2 products, each once');
  },
});

await faultFamily(
  'index',
  () => ({
    main: (dd) => ({
      elasticsearch: { url: dd.searchUrl, cookie: true, aliases: Object.values(dd.aliases), pageSize: 10 },
    }),
  }),
  {
    'esStatus: 429 twice': listing(({ dd }) => dd.setFault('esStatus', 429, { count: 2 })),
    'esStatus: 503 for long': lasting(({ dd }) => dd.setFault('esStatus', 503)),
    'partialShards: once': listing(({ dd }) => dd.setFault('partialShards', true, { count: 1 })),
    'partialShards: for long': lasting(({ dd }) => dd.setFault('partialShards', true)),
    es6Totals: listing(
      ({ dd }) => dd.setFault('es6Totals', true),
      async (scene) => scene.see(await scene.doctor()),
    ),
    window10000: listing(({ dd }) => dd.setFault('window10000', 10)),
    lostContext: listing(
      ({ dd }) => dd.setFault('lostContext', true, { count: 1 }),
      async (scene) => {
        const lost = scene.dd.log().filter(({ path, status }) => path === '/es/_search' && status === 404);
        expect(lost.length).toBeGreaterThan(0);
      },
    ),
  },
);
