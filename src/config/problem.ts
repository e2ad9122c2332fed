/** One thing wrong in gateway.yaml. */
export interface ConfigProblem {
  /** `listen.http.port`, `backends[1].domain`; empty = the file as a whole. */
  readonly path: string;
  readonly reason: string;
  /** The value at fault as it may be shown; null = none, or secret. */
  readonly value: string | null;
  readonly line: number | null;
}

/** The configuration cannot be used. The message has one line a problem. */
export class ConfigError extends Error {
  readonly file: string | null;
  readonly problems: readonly ConfigProblem[];

  constructor(file: string | null, problems: readonly ConfigProblem[]) {
    const sorted = problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
    super(sorted.map((problem) => problemText(problem, file)).join('\n'));
    this.name = 'ConfigError';
    this.file = file;
    this.problems = sorted;
  }
}

/** `gateway.yaml:12: listen.http.port: must be at most 65535, not 70000`. */
export function problemText(problem: ConfigProblem, file: string | null): string {
  const place = file === null ? '' : `${file}${problem.line === null ? '' : `:${problem.line}`}: `;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  return `${place}${path}${problem.reason}${problem.value === null ? '' : `, not ${problem.value}`}`;
}

/** `['backends', 1, 'domain']` → `backends[1].domain`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? String(step) : `.${String(step)}`;
  }
  return text;
}
