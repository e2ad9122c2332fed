import { expect } from 'vitest';
import { faultFamily } from './stage.js';

await faultFamily(
  'login',
  (_index, s3) => ({
    main: (dd) => ({
      login: { family: 'cam', cam: { url: dd.url, username: 'user-b', password: 'user-b-pw' } },
      ...{ bodies: 'pep', pep: { url: dd.url, links: [s3.url] } },
    }),
    'with a token that cannot be renewed': () => ({}),
  }),
  {
    'expireToken: the login can be renewed': {
      async play(scene) {
        await scene.put('f1.bc');
        await scene.settled(1);
        scene.dd.setFault('expireToken', true, { user: 'user-b' });
        await scene.put('f2.bc');
        await scene.settled(2);
        scene.see(await scene.products());
      },
    },
    'expireToken: it cannot': {
      on: 'with a token that cannot be renewed',
      async play(scene) {
        scene.dd.setFault('expireToken', true, { user: 'user-a' });
        await scene.put('f1.bc');
        await expect.poll(() => scene.sees(), { timeout: 90_000 }).toContain('following the backend failed');
        scene.see(await scene.products());
        scene.see(await scene.doctor());
        scene.dd.clearFaults();
        await scene.settled(1);
      },
    },
    expireMidStream: {
      async play(scene) {
        scene.dd.setFault('expireMidStream', true, { count: 1 });
        await scene.put('f1.bc', 'x'.repeat(5000));
        await scene.settled(1);
      },
    },
  },
);
