import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { productFolder } from '../../test/archive/folder.js';
import { backendConformance } from '../../test/conformance/index.js';
import { archiveStore, openArchive, temporaryFolder } from './testing.js';

const MAPPING = `
title: the archive of the conformance suite
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
  types:
    - name: Numbered
      description: Products with a number in their name
      when: [{ file.name: '-(?<number>[0-9]*[02468])[.]dat$' }]
      attributes:
        - { name: number, type: UInteger, from: match.number }
        - { name: ratio, type: Double, from: sidecar.fields.ratio, transform: [{ scale: 0.5 }] }
    - name: Other
      attributes:
        - { name: number, type: String, from: file.stem }
`;

backendConformance('archive', {
  fields: ['count', 'label', 'ratio'],
  async create() {
    const store = await archiveStore();
    const folder = await temporaryFolder();
    const root = join(folder.path, 'root');
    const mapping = join(folder.path, 'mapping.yaml');
    await mkdir(root);
    await writeFile(mapping, MAPPING);
    const config = { mapping, domainFolders: 2, sweep: 3000 };
    let backend = await openArchive(store, root, config);

    return {
      get backend() {
        return backend;
      },
      ...productFolder(root),
      async outage() {
        await rename(root, `${root}.away`);
        return () => rename(`${root}.away`, root);
      },
      async restart(meanwhile) {
        await backend.close();
        await meanwhile();
        backend = await openArchive(store, root, config);
        return backend;
      },
      async close() {
        await backend.close();
        await store.close();
        await folder.remove();
      },
    };
  },
});
