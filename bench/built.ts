import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Of the checkout; of what `runBuilt` built of it when this is run there. */
const ROOT = join(import.meta.dirname, '..');

/** The program as it is shipped: translated anew, since `tsx` adds work to every function that the sources make. */
export function builtProgram(): readonly string[] {
  if (!import.meta.filename.endsWith('.ts')) return [join(ROOT, 'src/cli/bin.js')];
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json')], { stdio: 'inherit' });
  return [join(ROOT, 'dist/src/cli/bin.js')];
}

/** Where benches are built to; one folder deep, as `dist` is, so that the mappings are found. */
const BENCHES = join(ROOT, '.cache');

/** Builds the checkout, benches and all, runs this bench from there instead, and ends with its status; does nothing when it runs there. */
export function runBuilt(file: string): void {
  if (!file.endsWith('.ts')) return;
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const options = ['--noCheck', '--declaration', 'false', '--outDir', BENCHES];
  execFileSync(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.json'), ...options], { stdio: 'inherit' });
  for (const path of ['bench/mal/Codec.java', 'test/interop/java', 'test/services'])
    cpSync(join(ROOT, path), join(BENCHES, path), { recursive: true, filter: (name) => !name.endsWith('.ts') });
  const built = join(BENCHES, relative(ROOT, file)).replace(/\.ts$/, '.js');
  const { status } = spawnSync(process.execPath, [built, ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}
