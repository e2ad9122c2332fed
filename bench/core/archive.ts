import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { printTable, timed } from '../table.js';
import { workspace } from './workspace.js';

/** 100 000 products and one of 2 GiB in an archive: start, first page, get, export, body; beside them the bare file system. */
const PRODUCTS = 100_000;
const GIB = 2;

export async function archiveBench(): Promise<void> {
  const place = await workspace();
  try {
    for (let i = 0; i < PRODUCTS; i++)
      writeFileSync(join(place.products, `p${String(i).padStart(6, '0')}.bin`), `product ${i}`);
    const first = await place.start();
    await place.stop();
    const again = await place.start();
    const { url } = again;
    const headers = { authorization: `Bearer ${place.key}` };
    const get = (path: string, more: Record<string, string> = {}) =>
      fetch(`${url}/api/v1${path}`, { headers: { ...headers, ...more } });

    await (await get('/products?limit=100')).text();
    const pages = await timed(async () => {
      for (let i = 0; i < 20; i++) await (await get('/products?limit=100')).text();
    });
    const bare = await timed(async () => {
      const names = await readdir(place.products);
      for (const name of names) await stat(join(place.products, name));
      return names.length;
    });
    const exported = await place.growth(() =>
      timed(async () => count(await get('/products', { accept: 'application/x-ndjson' }))),
    );
    const page = (await (await get('/products?limit=200')).json()) as { products: { links: { body: string } }[] };
    const bodies = await timed(async () => {
      for (const { links } of page.products) await (await fetch(new URL(links.body, url), { headers })).arrayBuffer();
    });
    const files = await timed(async () => {
      for (let i = 0; i < 200; i++) await readFile(join(place.products, `p${String(i).padStart(6, '0')}.bin`));
    });

    const large = join(place.products, 'large.bin');
    writeLarge(large, GIB * 2 ** 30);
    let link: string | undefined;
    while (link === undefined) {
      const found = (await (await get('/products?attr.name=large.bin')).json()) as {
        products?: { links: { body: string } }[];
      };
      link = found.products?.[0]?.links.body;
      if (link === undefined) await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const body = await place.growth(() => timed(async () => drain(await fetch(new URL(link, url), { headers }))));
    const plain = await timed(async () => {
      const { createReadStream } = await import('node:fs');
      let size = 0;
      for await (const chunk of createReadStream(large)) size += (chunk as Buffer).length;
      return size;
    });
    console.log(`\narchive of ${PRODUCTS} products`);
    printTable(
      ['', 'seconds', 'rate', 'ratio to the file system', 'RSS growth, MiB'],
      [
        ['first start (every file read)', first.seconds, `${Math.round(PRODUCTS / first.seconds)}/s`, '', ''],
        ['start again', again.seconds, `${Math.round(PRODUCTS / again.seconds)}/s`, '', ''],
        ['page of 100', pages.seconds / 20, `${Math.round(2000 / pages.seconds)} entries/s`, '', ''],
        [
          'export, NDJSON',
          exported.value.seconds,
          `${Math.round(exported.value.value / exported.value.seconds)} entries/s`,
          ratio(exported.value.seconds, bare.seconds),
          exported.growth,
        ],
        ['  readdir + stat', bare.seconds, `${Math.round(bare.value / bare.seconds)} entries/s`, 1, ''],
        [
          'get 200 small bodies',
          bodies.seconds,
          `${Math.round(200 / bodies.seconds)}/s`,
          ratio(bodies.seconds, files.seconds),
          '',
        ],
        ['  readFile', files.seconds, `${Math.round(200 / files.seconds)}/s`, 1, ''],
        [
          `body of ${GIB} GiB over HTTP`,
          body.value.seconds,
          `${Math.round(body.value.value / 2 ** 20 / body.value.seconds)} MiB/s`,
          ratio(body.value.seconds, plain.seconds),
          body.growth,
        ],
        ['  read stream', plain.seconds, `${Math.round(plain.value / 2 ** 20 / plain.seconds)} MiB/s`, 1, ''],
      ],
    );
  } finally {
    await place.remove();
  }
}

const ratio = (seconds: number, bare: number): number => seconds / bare;

async function drain(answer: Response): Promise<number> {
  let size = 0;
  for await (const chunk of answer.body!) size += (chunk as Uint8Array).length;
  return size;
}

async function count(answer: Response): Promise<number> {
  let lines = 0;
  for await (const chunk of answer.body!) for (const byte of chunk as Uint8Array) if (byte === 10) lines += 1;
  return lines;
}

export function writeLarge(file: string, size: number): void {
  const fd = openSync(file, 'w');
  const block = Buffer.alloc(2 ** 20, 'mpd');
  for (let written = 0; written < size; written += block.length) writeSync(fd, block);
  closeSync(fd);
}
