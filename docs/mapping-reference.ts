import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadMapping } from '../src/mapping/index.js';
import { referencePage } from '../src/mapping/reference.js';

/** `npx tsx docs/mapping-reference.ts` writes `docs/mapping-reference.md` from `mappings/*.yaml`. */
export async function mappingReference(root: string): Promise<string> {
  const folder = join(root, 'mappings');
  const files = (await readdir(folder)).filter((file) => file.endsWith('.yaml')).sort();
  return referencePage(
    await Promise.all(files.map(async (file) => [file, await loadMapping(join(folder, file))] as const)),
  );
}

if (process.argv[1] === import.meta.filename) {
  const root = join(import.meta.dirname, '..');
  await writeFile(join(root, 'docs/mapping-reference.md'), await mappingReference(root));
}
