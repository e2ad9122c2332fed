import { startEddsSimulator } from '../../simulators/edds/index.js';
import { backendConformance } from '../../test/conformance/index.js';
import { ALTERNATIVE_SITE, eddsStore, openEdds } from './testing.js';

/** Files of the catalogue are the products that a test can put there; the archive of telemetry is empty. */
for (const shape of ['standard', 'alternative'] as const) {
  backendConformance(`edds, ${shape} site`, {
    key: (n) => `product-${n}.dat`,
    skip: {
      awkwardNames: 'names of EDDS files have no folders',
      touch: 'the catalogue of the simulator says nothing of a file that could change alone',
    },
    async create() {
      const simulator = await startEddsSimulator({
        shape,
        domains: ['SOL'],
        times: { start: 1, duration: 1, tick: 3 },
        archive: { begin: 0, end: 0, files: 0 },
      });
      const store = await eddsStore();
      const config = {
        ...(shape === 'alternative' && { site: ALTERNATIVE_SITE }),
        mapping: new URL('../../mappings/edds.yaml', import.meta.url).pathname,
        catalogue: 100,
      };
      const filesOnly = {
        ...config,
        site: { ...config.site, types: { PktTmRaw: null, PktTcReport: null, PktTcRaw: null, Param: null } },
      };
      let opened = await openEdds(store, simulator, filesOnly);
      const millis = (ns: bigint): number => Number(ns / 1_000_000n);
      let latest = 1_600_000_000_000;
      return {
        get backend() {
          return opened.backend;
        },
        async put(key, bytes, { created, content } = {}) {
          const time = created === undefined ? ++latest : millis(created);
          simulator.control.putFile(
            'SOL',
            { name: key, time, ...(content && { begin: millis(content.start), end: millis(content.end) }) },
            bytes,
          );
        },
        async remove(key) {
          simulator.control.removeFile('SOL', key);
        },
        async outage() {
          simulator.control.switches.down = true;
          return async () => {
            simulator.control.switches.down = false;
          };
        },
        async restart(meanwhile) {
          await opened.close();
          await meanwhile();
          opened = await openEdds(store, simulator, filesOnly);
          return opened.backend;
        },
        async close() {
          await opened.close();
          await store.close();
          await simulator.stop();
        },
      };
    },
  });
}
