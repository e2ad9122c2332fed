import { type ObjectTypeDefinition, startDataDriveSimulator } from '../../simulators/datadrive/index.js';
import { formatTime } from '../../src/mal/index.js';
import { backendConformance } from '../../test/conformance/index.js';
import { configFor, dataDriveStore, openDataDrive } from '../../test/datadrive/backend.js';
import { describeWithService, unique } from '../../test/services/index.js';

const time = { type: 'string', format: 'date-time' } as const;

/** Two types with one attribute of the same name and another kind, as differing aliases have it. */
const objectTypes: readonly ObjectTypeDefinition[] = [
  {
    name: 'numbered',
    description: 'Files with numbers',
    schema: {
      type: 'object',
      properties: {
        count: { type: 'integer' },
        label: { type: 'string' },
        ratio: { type: 'number' },
        description: { type: 'string' },
        coverage: { type: 'object', properties: { gte: time, lte: time } },
      },
    },
  },
  {
    name: 'other',
    schema: { type: 'object', properties: { label: { type: 'string' }, count: { type: 'string' } } },
  },
];

for (const search of ['elasticsearch', 'elasticsearch7', 'opensearch'] as const)
  await describeWithService([search, 'versitygw'], 'DataDrive backend', (index, s3) => {
    backendConformance(`datadrive on ${search}`, {
      fields: ['count', 'label', 'ratio'],
      async create() {
        const dd = await startDataDriveSimulator({
          search: { url: index.url },
          s3: { endpoint: s3.url, accessKeyId: s3.username ?? '', secretAccessKey: s3.password ?? '' },
          prefix: `${unique('ddc')}-`,
          objectTypes,
        });
        dd.setFault('removalEvents', true);
        const store = await dataDriveStore();
        const config = configFor(dd, s3);
        let backend = await openDataDrive(store, config);
        const idOf = (key: string): string => key;
        return {
          get backend() {
            return backend;
          },
          async put(key, bytes, { created, content, source, fields = {} } = {}) {
            const isOther = key.length % 3 === 0 && !content;
            const { count, label, ratio } = fields;
            const numeric = (value: unknown): boolean => typeof value === 'number';
            const metadata = {
              ...(label !== undefined && { label }),
              ...(count !== undefined && (isOther || numeric(count)) && { count }),
              ...(!isOther && numeric(ratio) && { ratio }),
              ...(content && { coverage: { gte: formatTime(content.start), lte: formatTime(content.end) } }),
            };
            await dd.put({
              ...{ package: 'm2020-spice', fullName: `/${key}`, type: isOther ? 'other' : 'numbered', id: idOf(key) },
              ...{ body: bytes, metadata, ...(source !== undefined && { owner: source }) },
              ...(created !== undefined && { createdAt: Number(created / 1_000_000n) }),
            });
          },
          remove: (key) => dd.delete(idOf(key)),
          touch: async (key) => void (await dd.touch(idOf(key))),
          async outage() {
            dd.setFault('esStatus', 503);
            return async () => dd.setFault('esStatus', false);
          },
          async restart(meanwhile) {
            await backend.close();
            await meanwhile();
            backend = await openDataDrive(store, config);
            return backend;
          },
          async close() {
            await backend.close();
            await store.close();
            await dd.stop({ destroy: true });
          },
        };
      },
    });
  });
