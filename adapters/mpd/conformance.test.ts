import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { productFolder } from '../../test/archive/folder.js';
import { backendConformance } from '../../test/conformance/index.js';
import { testGateway } from '../../test/gateway.js';
import { mpdStore, openMpd, ordersAt } from './testing.js';

const MAPPING = `
title: the archive of the other gateway
concepts: []
readers:
  sidecars: { suffixes: ['.meta.json'], products: false }
products:
  common:
    created: [file.modified]
    contentStart: [sidecar.contentDate.start]
    contentEnd: [sidecar.contentDate.end]
    source: [sidecar.source]
    text: [sidecar.description]
    attributes:
      - { name: path, type: String, from: file.path }
      - { name: size, type: Long, from: file.size }
      - { name: count, type: Integer, from: sidecar.fields.count }
      - { name: label, type: String, from: sidecar.fields.label }
      - { name: ratio, type: Double, from: sidecar.fields.ratio }
  types:
    - name: Numbered
      when: [{ file.name: '-(?<number>[0-9]*[02468])[.]dat$' }]
      attributes:
        - { name: number, type: UInteger, from: match.number }
    - name: Other
`;

/** Another instance of this gateway; it lists eleven products at a time, so that every listing is cut up. */
for (const [scheme, encoding] of [
  ['maltcp', 'fixed'],
  ['maltcp', 'split'],
  ['malhttp', 'variable'],
] as const) {
  backendConformance(`mpd, another gateway over ${scheme}, ${encoding} encoding`, {
    fields: ['count', 'label', 'ratio'],
    upstream: true,
    async create() {
      const remoteConfig = (port: number) => ({
        listen: { http: { enabled: false }, [scheme]: { port, encodings: [encoding] } },
        limits: { results: 11 },
        access: {
          principals: [{ id: 'operator', role: 'operator' }, { id: 'federation' }],
          mal: [{ cidr: '127.0.0.1/32', principal: 'federation', user: 'asserted' }],
        },
      });
      const first = await testGateway({ config: remoteConfig(0) });
      let remote = first;
      const { products: root, dir } = first;
      const mapping = join(dir, 'mapping.yaml');
      await writeFile(mapping, MAPPING);
      await first.stop();
      const port = Number(new URL(first.urls[scheme]!.replace(scheme, 'tcp')).port);
      const config = {
        ...remoteConfig(port),
        backends: [
          {
            id: 'local',
            kind: 'archive',
            domain: ['local'],
            path: root,
            settle: '0ms',
            sweep: '1s',
            mapping,
            domainFolders: 2,
          },
        ],
      };
      const start = async () => {
        remote = await testGateway({ config, share: first });
      };
      await start();
      const url = `${scheme}://127.0.0.1:${port}/`;
      const store = await mpdStore();
      let backend = await openMpd(store, url, { encoding, checksum: 'sha-256' });
      const upstream = ordersAt(url, `binary-${encoding}`);

      return {
        upstream,
        get backend() {
          return backend;
        },
        ...productFolder(root),
        async outage() {
          await remote.stop();
          return start;
        },
        async restart(meanwhile) {
          await backend.close();
          await meanwhile();
          backend = await openMpd(store, url, { encoding, checksum: 'sha-256' });
          return backend;
        },
        async close() {
          await backend.close();
          await upstream.close();
          await store.close();
          await remote.stop();
          await first.close();
        },
      };
    },
  });
}
