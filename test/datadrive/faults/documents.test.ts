import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { FaultName } from '../../../simulators/datadrive/index.js';
import type { Entry } from '../../../src/gateway/backend.js';
import { formatAttribute } from './format.js';
import type { Scene } from './site.js';
import { type Act, faultFamily } from './stage.js';

const METADATA = { kernel_type: 'CK', mission: 'mars2020', label_time: '2021-08-20T11:52:01.000Z' };

const listed = async ({ site, folder }: Scene): Promise<readonly Entry[]> => {
  const query = { filter: { pathPrefix: `${folder}/` }, created: null, content: null };
  const { entries } = await site.gateway.catalogue.list(
    query,
    { limit: 100, signal: AbortSignal.timeout(20_000) },
    site.operator,
  );
  return entries;
};

/** One file whose document is odd, and how its listing shows one attribute. */
const odd = (name: FaultName, attribute: string): Act => ({
  async play(scene) {
    scene.dd.setFault(name, true, { count: 1 });
    await scene.put('f1.bc', 'bytes', METADATA);
    await scene.settled(1);
    const [entry] = await listed(scene);
    scene.note(`${attribute} is ${formatAttribute(entry, attribute)}`);
  },
});

await faultFamily('documents', () => ({ main: () => ({}) }), {
  arrayValues: odd('arrayValues', 'mission'),
  missingFields: odd('missingFields', 'mission'),
  doyTimes: odd('doyTimes', 'label_time'),
  multipartEtag: {
    async play(scene) {
      scene.dd.setFault('multipartEtag', true, { count: 1 });
      const { document } = await scene.put('f1.bc');
      expect(document.ocs_etag).toMatch(/-1$/);
      await scene.settled(1);
      const [entry] = await listed(scene);
      scene.note(`checksum is ${entry?.metadata.checksum === null ? 'absent' : 'there'}`);
    },
  },
  oddNames: {
    folder: 'odd',
    async play(scene) {
      const folder = mkdtempSync(join(tmpdir(), 'mpd-odd-'));
      try {
        writeFileSync(join(folder, 'plain.txt'), 'plain');
        scene.dd.setFault('oddNames', true, { count: 1 });
        await scene.dd.load(folder, { type: 'm2020-spice-inventory' });
      } finally {
        rmSync(folder, { recursive: true });
      }
      await scene.settled(7);
      scene.see(await scene.products());
    },
  },
  duplicateNames: {
    async play(scene) {
      await scene.put('f1.bc', 'first');
      await scene.settled(1);
      scene.dd.setFault('duplicateNames', true, { count: 1 });
      await scene.put('f1.bc', 'second');
      await scene.settled(2);
      expect(scene.delivered('f1.bc')).toBe('second');
      scene.see(await scene.products());
    },
  },
});
