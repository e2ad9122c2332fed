import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

interface Concept {
  readonly id: string;
  readonly table: string;
  readonly concept: string;
  readonly how: string;
  readonly notes?: string;
  readonly tests?: Readonly<Record<string, string>>;
}

const ROOT = join(import.meta.dirname, '../..');
const SPEC = join(ROOT, '../shared/spec/datadrive.md');
const { concepts } = parse(readFileSync(join(ROOT, 'mappings/datadrive.yaml'), 'utf8')) as {
  readonly concepts: readonly Concept[];
};
const rowsOf = (table: string) => concepts.filter((row) => row.table === table);

describe('the concept rows of mappings/datadrive.yaml', () => {
  it.skipIf(!existsSync(SPEC))(
    'are as many as the published tables have, and the differences below them (skipped: the tables are not beside this checkout)',
    () => {
      const spec = readFileSync(SPEC, 'utf8');
      const between = (from: string, to: string) => spec.slice(spec.indexOf(from), spec.indexOf(to));
      const tableRows = (text: string): number => text.split('\n').filter((line) => line.startsWith('| ')).length - 1;
      const gaps = between('### 10.2', '### 10.3');
      expect(rowsOf('Concepts (DataDrive → MPD)')).toHaveLength(tableRows(between('### 10.1', '### 10.2')));
      expect(rowsOf('Gaps (DataDrive, MPD)')).toHaveLength(tableRows(gaps));
      const differences = gaps.slice(gaps.indexOf('Other differences')).split(';').length;
      // "Comparison table rows" adds one: the status of a delivery.
      expect(rowsOf('Differences in the text')).toHaveLength(differences + 1);
    },
  );

  it.each(concepts.map((row) => [row.id, row] as const))('%s: says how, and what proves it or why not', (_, row) => {
    if (row.how === 'not offered' || row.how === 'later') {
      expect(row.notes).not.toBe('');
      return;
    }
    const tests = Object.values(row.tests ?? {});
    expect(tests.length).toBeGreaterThan(0);
    for (const test of tests) expect(existsSync(join(ROOT, test.split(' › ')[0] ?? ''))).toBe(true);
  });
});
