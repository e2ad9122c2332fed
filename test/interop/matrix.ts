import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestReport } from '../../src/mapping/concepts.js';
import {
  ESA_LOSES,
  ESA_LOSES_TOGETHER,
  OPERATIONS,
  type Operation,
  operationsOf,
  type Row,
  rowOf,
  titleOf,
} from './rows.js';

/**
 * `tsx test/interop/matrix.ts [--check] REPORT…`: writes the matrix of docs/mal-interop.md from vitest's JSON reports, or checks that it
 * says what they do. A row is a suite that ran, a number the tests of an
 * operation that passed in it; ¹ marks those of which others cannot run with ESA's malhttp.
 */

const DOC = fileURLToPath(new URL('../../docs/mal-interop.md', import.meta.url));
const [BEGIN, END] = ['<!-- matrix: written by test/interop/matrix.ts -->', '<!-- end of matrix -->'];

interface Cell {
  passed: number;
  failed: number;
  skipped: number;
  /** Not run because of what ESA's malhttp loses. */
  lost: boolean;
}

export function matrixOf(reports: readonly TestReport[]): ReadonlyMap<string, ReadonlyMap<Operation, Cell>> {
  const matrix = new Map<string, Map<Operation, Cell>>();
  for (const { name, assertionResults } of reports.flatMap(({ testResults }) => testResults)) {
    if (!INTEROP.has(basename(name))) continue;
    for (const { ancestorTitles, title, status } of assertionResults) {
      const row = rowOf(ancestorTitles[0] ?? '');
      if (row === null) continue;
      const cells = matrix.get(titleOf(row)) ?? new Map<Operation, Cell>();
      matrix.set(titleOf(row), cells);
      for (const operation of operationsOf(title)) {
        const cell = cells.get(operation) ?? { passed: 0, failed: 0, skipped: 0, lost: false };
        cells.set(operation, cell);
        if (status === 'passed') cell.passed++;
        else if (status === 'failed') cell.failed++;
        else cell.skipped++;
        if (title.includes(ESA_LOSES) || title.includes(ESA_LOSES_TOGETHER)) cell.lost = true;
      }
    }
  }
  return matrix;
}

const INTEROP: ReadonlySet<string> = new Set(['esa-consumer.test.ts', 'esa-provider.test.ts', 'ours.test.ts']);

/** Suites of which nothing ran, as where there is no Java. */
const isAbsent = (cells: ReadonlyMap<Operation, Cell>): boolean =>
  [...cells.values()].every(({ passed, failed }) => passed + failed === 0);

export function lineOf(title: string, cells: ReadonlyMap<Operation, Cell>): string {
  const { consumer, provider, transport, mode, encoding } = rowOf(title) as Row;
  const marks = OPERATIONS.map((operation) => {
    const { passed, failed, lost } = cells.get(operation) ?? { passed: 0, failed: 0, lost: false };
    return failed > 0 ? '**fails**' : passed > 0 ? `${passed}${lost ? ' ¹' : ''}` : '–';
  });
  const way = mode === null ? transport : `${transport} ${mode}`;
  return `| ${[consumer, provider, way, encoding, ...marks].join(' | ')} |`;
}

async function main(args: readonly string[]): Promise<number> {
  const check = args.includes('--check');
  const files = args.filter((arg) => arg !== '--check');
  if (files.length === 0) {
    console.error('usage: matrix.ts [--check] <vitest JSON report>…');
    return 2;
  }
  const reports = await Promise.all(files.map(async (file) => JSON.parse(await readFile(file, 'utf8')) as TestReport));
  const matrix = matrixOf(reports);
  const ran = [...matrix].filter(([, cells]) => !isAbsent(cells));
  const doc = await readFile(DOC, 'utf8');
  const [start, end] = [doc.indexOf(BEGIN), doc.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${DOC} has no place for the matrix`);
  const told = doc.slice(start, end).split('\n');
  if (check) {
    const wrong = ran.map(([title, cells]) => lineOf(title, cells)).filter((line) => !told.includes(line));
    const lines = told.filter((line) => /^\| (our|ESA)/.test(line));
    const known = new Set([...matrix].map(([title, cells]) => lineOf(title, cells).split(' | ').slice(0, 4).join()));
    const invented = lines.filter((line) => !known.has(line.split(' | ').slice(0, 4).join()));
    for (const line of wrong) console.error(`ran, but the matrix says otherwise: ${line}`);
    for (const line of invented) console.error(`in the matrix, but there is no such suite: ${line}`);
    if (ran.length === 0) console.error('no interop suite ran');
    const good = wrong.length + invented.length === 0 && ran.length > 0;
    if (good) console.log(`interop matrix: ${ran.length} of ${lines.length} rows ran and are as written`);
    return good ? 0 : 1;
  }
  const order = [...matrix.keys()].filter((title) => ran.some(([known]) => known === title)).sort(byRow);
  const head = `| Consumer | Provider | Transport | Encoding | ${OPERATIONS.join(' | ')} |`;
  const rule = `|---|---|---|---|${OPERATIONS.map(() => '---:|').join('')}`;
  const table = [head, rule, ...order.map((title) => lineOf(title, matrix.get(title)!))].join('\n');
  await writeFile(DOC, `${doc.slice(0, start)}${BEGIN}\n\n${table}\n\n${doc.slice(end)}`);
  console.log(`${join('docs', basename(DOC))}: ${order.length} rows`);
  return 0;
}

const ENDS = [
  "ESA's consumer at our gateway",
  "our consumer at ESA's provider",
  "ESA's consumer at our wire",
  'our consumer at our gateway',
];

function byRow(a: string, b: string): number {
  const place = (title: string): string => {
    const at = ENDS.findIndex((ends) => title.startsWith(ends));
    const { transport, mode, encoding } = rowOf(title)!;
    return `${at} ${transport === 'maltcp' ? 0 : 1} ${['request-response', 'no-response', 'no-encoding'].indexOf(mode ?? '')} ${encoding}`;
  };
  return place(a) < place(b) ? -1 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
