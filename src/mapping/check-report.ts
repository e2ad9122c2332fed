import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkConcepts, type TestReport } from './concepts.js';
import { loadMapping } from './load.js';

/** `tsx src/mapping/check-report.ts test-results/report.json`: every test that `mappings/*.yaml` names was run and passed. */
async function main(reportFile: string | undefined): Promise<number> {
  if (reportFile === undefined) {
    console.error('usage: check-report.ts <vitest JSON report>');
    return 2;
  }
  const root = join(import.meta.dirname, '..', '..');
  const report = JSON.parse(await readFile(reportFile, 'utf8')) as TestReport;
  const files = (await readdir(join(root, 'mappings'))).filter((name) => name.endsWith('.yaml')).sort();
  let named = 0;
  let unproven = 0;
  for (const file of files) {
    const { concepts } = await loadMapping(join(root, 'mappings', file));
    named += concepts.reduce((sum, { tests }) => sum + Object.keys(tests ?? {}).length, 0);
    for (const { concept, binding, test, reason } of checkConcepts(concepts, report, root)) {
      unproven++;
      console.error(`mappings/${file}: ${concept} over ${binding}: ${reason}: ${test}`);
    }
  }
  if (unproven === 0) console.log(`mappings: ${named} named tests in ${files.length} table(s), all passed`);
  return unproven === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv[2]);
