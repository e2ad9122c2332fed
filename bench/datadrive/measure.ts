import { loadavg } from 'node:os';

/** Rows of a table: what was measured, against what, and how they compare. */
export interface Row {
  readonly what: string;
  readonly ours: string;
  readonly bare: string;
  readonly ratio: number | null;
  readonly limit: number | null;
}

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** Milliseconds of each of two actions, measured in turn so that both see the same machine; the medians. `warm`: rounds before those that count. */
export async function inTurn(
  times: number,
  ours: () => Promise<unknown>,
  bare: () => Promise<unknown>,
  { warm = 1 } = {},
): Promise<readonly [ours: number, bare: number]> {
  const results: [number[], number[]] = [[], []];
  for (let i = 0; i < warm; i++) {
    await ours();
    await bare();
  }
  for (let i = 0; i < times; i++)
    for (const [n, action] of (i % 2 === 0 ? [ours, bare] : [bare, ours]).entries()) {
      const start = performance.now();
      await action();
      results[i % 2 === 0 ? n : 1 - n]?.push(performance.now() - start);
    }
  return [median(results[0]), median(results[1])];
}

export function printTable(rows: readonly Row[]): void {
  const cells = rows.map(({ what, ours, bare, ratio, limit }) => [
    ...[what, ours, bare, ratio?.toFixed(2) ?? '', limit === null ? '' : `≤ ${limit}`],
    limit === null || ratio === null ? '' : ratio <= limit ? 'ok' : 'over',
  ]);
  const all = [['what', 'gateway', 'bare', 'ratio', 'limit', ''], ...cells];
  const widths = (all[0] ?? []).map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  for (const row of all)
    process.stdout.write(
      `${row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
  process.stdout.write(
    `load average ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')}\n`,
  );
}
