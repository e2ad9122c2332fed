import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestGateway, testGateway } from '../gateway.js';

const DATASET = join(import.meta.dirname, '../../../shared/datasets/m2020-spice');
const present = existsSync(DATASET);

const files = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => relative(folder, join(item.parentPath, item.name)));
const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

describe.skipIf(!present)(
  `the Mars 2020 SPICE releases${present ? '' : ' (skipped: the data set is not beside this checkout)'}`,
  () => {
    let gateway: TestGateway;
    let orderID: bigint;

    beforeAll(async () => {
      gateway = await testGateway();
      mkdirSync(join(gateway.delivered, 'in'));
      const answer = await gateway.gateway.orders.submit(
        {
          user: null,
          productFilter: null,
          validityPeriod: null,
          deliveryMethod: 'FILETRANSFER',
          deliverTo: `file://${gateway.delivered}/in`,
          pathTemplate: '{folder}',
          comments: null,
        },
        gateway.operator,
      );
      orderID = answer.orderID;
    });
    afterAll(() => gateway?.close());

    const ledger = () => gateway.gateway.deliveries.list(orderID, { limit: 1000 }, gateway.operator);
    const told = async () => {
      const { rows } = await gateway.store.db
        .selectFrom('event')
        .select(['delivery_id', 'payload'])
        .where('type', '=', 'delivered')
        .execute()
        .then((rows) => ({ rows }));
      return rows.map((row) => String(row.delivery_id));
    };

    it.each([
      ['release1', 12, 12],
      ['release2', 20, 25],
      ['release3', 26, 36],
    ])('%s: exactly the new and the changed files, once each, byte for byte', async (release, deliveries, held) => {
      const before = (await ledger()).length;
      cpSync(join(DATASET, release), gateway.products, { recursive: true });
      await expect
        .poll(async () => (await ledger()).filter((row) => row.state === 'notified').length, {
          timeout: 60_000,
          interval: 250,
        })
        .toBe(before + deliveries);
      // A file that is copied again with the same content must not come again.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const rows = await ledger();
      expect(rows).toHaveLength(before + deliveries);
      expect(new Set(await told()).size).toBe(rows.length);
      expect(await told()).toHaveLength(rows.length);
      const sources = files(join(DATASET, release));
      expect(sources).toHaveLength(held);
      const delivered = files(join(gateway.delivered, 'in'));
      expect(delivered.toSorted()).toEqual(sources.toSorted());
      for (const source of sources) {
        expect(sha256(join(gateway.delivered, 'in', source)), source).toBe(sha256(join(DATASET, release, source)));
      }
    });

    it('checks each file against the md5 of its label: one real label is wrong, its file is delivered and flagged', async () => {
      const rows = await ledger();
      const mismatches = rows.filter((row) => row.sourceCheck === 'mismatch');
      expect(mismatches.map((row) => row.ref.key)).toEqual([
        'spice_kernels/collection_spice_kernels_inventory_v001.csv',
      ]);
      expect(mismatches[0]).toMatchObject({ state: 'notified', targetCheck: 'verified' });
      expect(rows.filter((row) => row.sourceCheck === 'ok').length).toBeGreaterThan(5);
      expect(mismatches[0]?.bytes).toBe(351n);
    });

    it('proves that nothing is missing', async () => {
      const signal = AbortSignal.timeout(30_000);
      const proof = await gateway.gateway.deliveries.missing(
        orderID,
        { created: null, limit: 100, signal },
        gateway.operator,
      );
      expect(proof).toMatchObject({ held: 36, delivered: 36, underway: 0, missing: [], more: false });
    });
  },
);
