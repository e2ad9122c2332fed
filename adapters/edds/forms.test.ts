import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALTERNATIVE, type EddsSimulator, STANDARD } from '../../simulators/edds/index.js';
import type { Body, Entry } from '../../src/gateway/backend.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import type { TestStore } from '../../src/store/testing.js';
import { inForm } from './forms.js';
import type { EddsTables } from './tables.js';
import { ALTERNATIVE_SITE, eddsStore, type OpenedEdds, openEdds, openSimulator } from './testing.js';

const text = async (body: Pick<Body, 'stream'>): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

for (const [shape, site] of [
  [STANDARD, {}],
  [ALTERNATIVE, ALTERNATIVE_SITE],
] as const)
  describe(`forms of parts, ${shape.name} site`, () => {
    let store: TestStore<EddsTables>;
    let simulator: EddsSimulator;
    let edds: OpenedEdds;
    let part: Entry;
    const { signal } = new AbortController();

    beforeAll(async () => {
      store = await eddsStore();
      simulator = await openSimulator({
        shape,
        archive: { begin: Date.now() - 60_000, end: null, packetInterval: 50_000, files: 1 },
      });
      edds = await openEdds(store, simulator, { site, partSeconds: 1 });
      const { backend } = edds;
      let { cursor } = await backend.follow({ cursor: null, interest: null }, { signal });
      const attribute = { type: 'ValueSet', name: 'apid', include: true, values: [{ type: 'UShort', value: 1444 }] };
      const filter = {
        filter: { productType: 'PktTmRaw', domain: null, sources: null, attributeFilter: [attribute] },
      } as unknown as FilterTree;
      await backend.upstream!.ensure({ orderId: 1n, user: 'alice', filter, validity: null, remoteId: null });
      for (let found: Entry | undefined; found === undefined; ) {
        const { changes, cursor: next } = await backend.follow({ cursor, interest: null }, { signal });
        cursor = next;
        for (const change of changes)
          if (change.kind !== 'removed' && change.entry.metadata.productRef.key.includes('StreamRequest'))
            found = part = change.entry;
      }
    });
    afterAll(async () => {
      await edds?.close();
      await store?.close();
      await simulator?.stop();
    });

    const open = (form?: string) =>
      edds.backend.open(part.metadata.productRef, {
        ...{ revision: part.revision, offset: 0, signal },
        ...(form !== undefined && { form }),
      });

    it('are offered by product type', () => {
      const offered = edds.backend.forms!.map(({ name, productTypes, mediaType, suffix }) => [
        name,
        mediaType,
        suffix,
        [...productTypes].sort(),
      ]);
      expect(offered).toEqual([
        ['packets', 'application/ccsds-space-packets', '.bin', ['PktTcReport', 'PktTmRaw']],
        ['csv', 'text/csv', '.csv', ['Param', 'PktTcRaw', 'PktTcReport', 'PktTmRaw']],
        ['ndjson', 'application/x-ndjson', '.ndjson', ['Param', 'PktTcRaw', 'PktTcReport', 'PktTmRaw']],
      ]);
    });

    it('hold as many packets as the part; a sound part has no fault', async () => {
      const elements = part.metadata.attributes!.find(({ name }) => name === 'elements')!.value!.value;
      const ndjson = await open('ndjson');
      expect(ndjson.size).toBeNull();
      expect(BigInt((await text(ndjson)).trimEnd().split('\n').length)).toBe(elements);
      expect(ndjson.fault!()).toBeNull();
      const plain = await open();
      expect(await text(plain)).toContain('PktRawResponse');
      expect(plain.fault!()).toBeNull();
    });

    it('a part in which faults were found says so in whatever form, with the first of them', async () => {
      const row = store.db.selectFrom('edds_product').select('record').where('key', '=', part.metadata.productRef.key);
      const { record } = await row.executeTakeFirstOrThrow();
      const faulty = { ...record, 'part.unreadable': 2, 'part.fault': 'no hex (element 3, line 4, character 99)' };
      await store.db
        .updateTable('edds_product')
        .set({ record: JSON.stringify(faulty) })
        .where('key', '=', part.metadata.productRef.key)
        .execute();
      const [entry] = await edds.backend.get([part.metadata.productRef]);
      const attributes = new Map((entry as Entry).metadata.attributes!.map(({ name, value }) => [name, value?.value]));
      expect([attributes.get('unreadable'), attributes.get('fault')]).toEqual([
        2n,
        'no hex (element 3, line 4, character 99)',
      ]);
      for (const form of [undefined, 'csv']) {
        const body = await open(form);
        await text(body);
        expect(body.fault!()).toBe('the response has 2 faults, the first: no hex (element 3, line 4, character 99)');
      }
    });
  });

it('what is wrong with a response is told once it was read', async () => {
  async function* cut() {
    yield Buffer.from(
      '<a><Response><PktRawResponse><PktRawResponseElement><Packet>01</Packet></PktRawResponseElement><Pkt',
    );
  }
  const body = inForm('ndjson', cut());
  expect(body.fault!()).toBeNull();
  expect(JSON.parse(await text(body))).toMatchObject({ content: '01', problems: '1 bytes are no SCOS-2000 record' });
  expect(body.fault!()).toMatch(
    /^the response has 2 faults, the first: 1 bytes are no SCOS-2000 record \(element 1\)$/,
  );
});
