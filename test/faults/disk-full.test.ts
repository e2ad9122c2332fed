import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DeliveryBench, deliveryBench } from '../../src/gateway/delivery/testing.js';
import { fileTarget } from '../../src/targets/file/index.js';

describe.skipIf(!canMount())('a target of 1 MiB that is full (skipped without the right to mount)', () => {
  let bench: DeliveryBench;
  let small: string;
  beforeEach(async () => {
    bench = await deliveryBench({ target: (root) => fileTarget([root]) });
    small = join(bench.root, 'small');
    await mkdir(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
  });
  afterEach(async () => {
    execFileSync('umount', ['-l', small]);
    await bench.close();
  });

  it('leaves no partial file, waits, and goes on when there is room; other targets never wait', async () => {
    await writeFile(join(small, 'fill'), Buffer.alloc(900 * 1024));
    const full = await bench.order({ deliver_to: pathToFileURL(small).href });
    const other = await bench.order();
    const products = Array.from({ length: 5 }, (_, i) => bench.backend.put(`k${i}`, `${i}`.repeat(150_000)));
    await bench.queue(full, ...products);
    await bench.queue(other, ...products);
    const workers = bench.workers();
    const delivered = (order: bigint) =>
      bench.deliveries.list(order, { states: ['notified'], limit: 10 }, bench.alice).then((rows) => rows.length);
    await expect.poll(() => delivered(other), { timeout: 20_000 }).toBe(5);
    await expect.poll(() => workers.paused()[0]?.reason, { timeout: 20_000 }).toMatch(/no space left/);
    expect(await delivered(full)).toBe(0);
    expect((await readdir(small)).filter((name) => !name.startsWith('.mpd-'))).toEqual(['fill']);
    await rm(join(small, 'fill'));
    await expect.poll(() => delivered(full), { timeout: 20_000 }).toBe(5);
    expect((await readdir(small)).sort()).toEqual(['k0', 'k1', 'k2', 'k3', 'k4']);
  });
});

function canMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}
