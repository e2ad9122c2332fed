import type { Concept } from './schema.js';

/** One row of vitest's JSON report that matters here. */
export interface TestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

/** A test that a concept row names and that did not prove it. */
export interface Unproven {
  readonly concept: string;
  readonly binding: string;
  readonly test: string;
  readonly reason: 'absent' | 'failed' | 'skipped';
}

/**
 * Looks up every named test (`file › title` or `file › suite › … › title`) in a run's report. Where several tests have the
 * name all of them must have passed.
 * @param root of the repository: the report's file names are absolute
 */
export function checkConcepts(concepts: readonly Concept[], report: TestReport, root: string): readonly Unproven[] {
  const outcomes = new Map<string, Set<string>>();
  const add = (name: string, status: string) => outcomes.set(name, (outcomes.get(name) ?? new Set()).add(status));
  for (const { name, assertionResults } of report.testResults) {
    const file = relative(name, root);
    for (const { ancestorTitles, title, status } of assertionResults) {
      const full = [file, ...ancestorTitles, title].join(' › ');
      add(full, status);
      if (ancestorTitles.length > 0) add(`${file} › ${title}`, status);
    }
  }
  return concepts.flatMap((row) =>
    Object.entries(row.tests ?? {}).flatMap(([binding, test]): Unproven[] => {
      const found = outcomes.get(test);
      if (found === undefined) return [{ concept: row.id, binding, test, reason: 'absent' }];
      if (found.has('failed')) return [{ concept: row.id, binding, test, reason: 'failed' }];
      return [...found].every((status) => status === 'passed')
        ? []
        : [{ concept: row.id, binding, test, reason: 'skipped' }];
    }),
  );
}

function relative(file: string, root: string): string {
  const path = file.replaceAll('\\', '/');
  const prefix = `${root.replaceAll('\\', '/').replace(/\/$/, '')}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length) : path;
}
