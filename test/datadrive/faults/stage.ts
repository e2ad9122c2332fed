import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DataDriveSimulator } from '../../../simulators/datadrive/index.js';
import type { OrderRequest } from '../../../src/gateway/api.js';
import { describeWithService } from '../../services/index.js';
import { type FaultSite, faultSite, type Scene } from './site.js';
import { type Family, faultTable, titleOf } from './table.js';

export interface Act {
  /** What happens; by default on the gateway named `main`. */
  readonly play: (scene: Scene) => Promise<void>;
  readonly on?: string;
  readonly order?: Partial<OrderRequest>;
  /** Folder of the files; default made of the title. */
  readonly folder?: string;
}

/** Configuration of the backend of each gateway, laid over the usual. */
export type Stages = Readonly<Record<string, (dd: DataDriveSimulator) => Readonly<Record<string, unknown>>>>;

/** One test a row of the fault table: what happened and what a person saw must be, word for word, what the table says. */
export async function faultFamily(
  family: Family,
  stages: (index: Parameters<typeof faultSite>[0], s3: Parameters<typeof faultSite>[1]) => Stages,
  acts: Readonly<Record<string, Act>>,
): Promise<void> {
  const rows = faultTable.filter((row) => row.family === family);
  await describeWithService(['elasticsearch', 'versitygw'], `faults of DataDrive: ${family}`, (index, s3) => {
    it('has a scene for every row of the table, and no other', () => {
      expect(Object.keys(acts).sort()).toEqual(rows.map(titleOf).sort());
    });
    for (const [stage, change] of Object.entries(stages(index, s3))) {
      const here = rows.filter((row) => (acts[titleOf(row)]?.on ?? 'main') === stage);
      describe(stage, () => {
        let site: FaultSite;
        beforeAll(async () => {
          site = await faultSite(index, s3, change);
        });
        afterEach(() => {
          site.dd.clearFaults();
          site.dd.setClock(0);
        });
        afterAll(() => site?.close());
        it.each(here.map((row) => [titleOf(row), row] as const))('%s', { timeout: 240_000 }, async (title, row) => {
          const act = acts[title]!;
          const scene = await site.scene(act.folder ?? title.replace(/[^A-Za-z0-9]+/g, '-'), act.order);
          await act.play(scene);
          const seen = { state: await scene.state(), sees: scene.sees() };
          await site.gateway.orders.cancel(scene.orderID, site.operator);
          expect(seen).toEqual({ state: row.state, sees: row.sees });
        });
      });
    }
  });
}
