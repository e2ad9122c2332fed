import { mkdirSync, writeFileSync } from 'node:fs';
import { copyFile, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectHttp } from '../../src/client/index.js';
import { printTable, timed } from '../table.js';
import { writeLarge } from './archive.js';
import { workspace } from './workspace.js';

/** Products already in the archive delivered into a folder, verified by reading back; beside it `copyFile` with fsync and rename. */
export async function deliveryBench(): Promise<void> {
  const place = await workspace();
  try {
    const small = 2000;
    for (let i = 0; i < small; i++) writeFileSync(join(place.products, `s${i}.bin`), Buffer.alloc(10_000, i));
    writeLarge(join(place.products, 'large.bin'), 2 ** 30);
    const { url } = await place.start();
    const client = connectHttp(url, { key: place.key });
    const deliver = async (folder: string, regex: string, wanted: number) => {
      const { orderID } = await client.submitOrder({
        user: null,
        productFilter: {
          productType: null,
          domain: null,
          sources: null,
          attributeFilter: null,
        },
        tree: { pathPrefix: regex },
        validityPeriod: null,
        deliveryMethod: 'FILETRANSFER',
        deliverTo: `file://${place.delivered}/${folder}`,
        comments: null,
        acceptUnreachable: true,
        backfill: { axis: 'available', from: null, to: null },
      });
      for (;;) {
        const { counts } = await client.getOrder(orderID);
        if ((counts.notified ?? 0) >= wanted) return;
        if ((counts.dead ?? 0) > 0) throw new Error('a delivery died');
        await sleep(20);
      }
    };
    for (const folder of ['small', 'large', 'raw']) mkdirSync(join(place.delivered, folder));
    const delivered = await place.growth(() => timed(() => deliver('small', 's', small)));
    const copied = await timed(() =>
      copyAll(
        place.products,
        join(place.delivered, 'raw'),
        Array.from({ length: small }, (_, i) => `s${i}.bin`),
      ),
    );
    const large = await place.growth(() => timed(() => deliver('large', 'large', 1)));
    const largeCopy = await timed(() => copyAll(place.products, join(place.delivered, 'raw'), ['large.bin']));
    console.log('\ndelivery to file://, each file read back and compared');
    printTable(
      ['', 'seconds', 'rate', 'ratio to copying', 'RSS growth, MiB'],
      [
        [
          `${small} × 10 kB`,
          delivered.value.seconds,
          `${Math.round(small / delivered.value.seconds)}/s`,
          delivered.value.seconds / copied.seconds,
          delivered.growth,
        ],
        ['  copyFile + fsync + rename', copied.seconds, `${Math.round(small / copied.seconds)}/s`, 1, ''],
        [
          '1 GiB',
          large.value.seconds,
          `${Math.round(1024 / large.value.seconds)} MiB/s`,
          large.value.seconds / largeCopy.seconds,
          large.growth,
        ],
        ['  copyFile + fsync + rename', largeCopy.seconds, `${Math.round(1024 / largeCopy.seconds)} MiB/s`, 1, ''],
      ],
    );
    await client.close();
    await place.stop();
  } finally {
    await place.remove();
  }
}

async function copyAll(from: string, to: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const temporary = join(to, `.${name}`);
    await copyFile(join(from, name), temporary);
    const file = await open(temporary, 'r+');
    await file.sync();
    await file.close();
    await rename(temporary, join(to, name));
  }
}
