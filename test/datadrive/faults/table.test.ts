import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { faultNames } from '../../../simulators/datadrive/index.js';
import { faultPage } from './page.js';
import { faultTable, titleOf, unprovedFaults } from './table.js';

const SPEC = join(import.meta.dirname, '../../../../shared/spec/datadrive.md');

it('has a row for every switch of the stand-in', () => {
  expect(unprovedFaults()).toEqual([]);
  expect(new Set(faultTable.map(titleOf)).size).toBe(faultTable.length);
  for (const { state, sees } of faultTable) expect([state, sees]).not.toContain('');
});

it.skipIf(!existsSync(SPEC))(
  'the stand-in has every switch of the list it was built from (skipped: the list is not beside this checkout)',
  () => {
    const text = readFileSync(SPEC, 'utf8');
    const section = text.slice(text.indexOf('### 11.3'), text.indexOf('### 11.4'));
    const asked = section
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name));
    expect(asked.length).toBeGreaterThan(30);
    expect(faultNames).toEqual(expect.arrayContaining(asked));
  },
);

it('the page says what the table says', async () => {
  await expect(faultPage()).toMatchFileSnapshot(join(import.meta.dirname, '../../../docs/datadrive-faults.md'));
});
