import { open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { telemetryFiles } from './telemetry.js';

/** Writes a telemetry file into `folder` every `everyMs` until the signal: under a temporary name, then renamed. */
export async function generate(folder: string, everyMs: number, signal: AbortSignal): Promise<void> {
  const next = telemetryFiles();
  while (!signal.aborted) {
    const file = next(BigInt(Date.now()) * 1_000_000n);
    await publish(join(folder, file.name), file.bytes);
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

async function publish(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.part`);
  const file = await open(temporary, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
