/** Prints rows as a table: the first column left, numbers right. */
export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const text = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? number(cell) : cell)))];
  const widths = head.map((_, i) => Math.max(...text.map((row) => row[i]!.length)));
  for (const [n, row] of text.entries()) {
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '));
    if (n === 0) console.log(widths.map((width) => '-'.repeat(width)).join('  '));
  }
}

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en-GB') : String(Number(value.toPrecision(3)));

/** Seconds that the work took, and what it gave. */
export async function timed<T>(work: () => Promise<T>): Promise<{ readonly seconds: number; readonly value: T }> {
  const start = performance.now();
  const value = await work();
  return { seconds: (performance.now() - start) / 1000, value };
}

/** Growth of resident memory while the work runs, in MiB: the highest seen minus what it was before. */
export async function withMemory<T>(work: () => Promise<T>): Promise<{ readonly growth: number; readonly value: T }> {
  (globalThis as { gc?: () => void }).gc?.();
  const before = process.memoryUsage.rss();
  let highest = before;
  const timer = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss());
  }, 20);
  try {
    const value = await work();
    return { growth: (Math.max(highest, process.memoryUsage.rss()) - before) / 2 ** 20, value };
  } finally {
    clearInterval(timer);
  }
}
