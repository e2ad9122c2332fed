import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** The program as it is shipped: translated anew, since `tsx` adds work to every function that the sources make. */
export function builtProgram(): readonly string[] {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json')], { stdio: 'inherit' });
  return [join(ROOT, 'dist/src/cli/bin.js')];
}
