import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { checkWhole } from './check.js';
import { resolvePaths } from './paths.js';
import { ConfigError, type ConfigProblem, pathText } from './problem.js';
import { isReference, processSources, resolveReferences, type Sources } from './references.js';
import { configSchema, type GatewayConfig } from './schema.js';
import { suggest } from './suggest.js';
import { fieldsOf, isSecret, leaves, schemaAt } from './walk.js';

export interface LoadedConfig {
  readonly config: GatewayConfig;
  /** null = there is no file, all is default. */
  readonly file: string | null;
  /** What works, but should be otherwise. */
  readonly warnings: readonly ConfigProblem[];
  /** Paths of values that came from `env:` or `file:`, with that text. */
  readonly origins: ReadonlyMap<string, string>;
}

export interface LoadOptions {
  /** Absent: $MPD_GATEWAY_CONFIG, else `gateway.yaml` here when it is there, else all defaults. */
  readonly file?: string | undefined;
  readonly cwd?: string;
  readonly sources?: Sources;
}

/** Reads and checks gateway.yaml; ConfigError with every problem found. */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  const sources = options.sources ?? processSources;
  const cwd = options.cwd ?? process.cwd();
  const asked = options.file ?? sources.env.MPD_GATEWAY_CONFIG;
  const file = resolve(cwd, asked ?? 'gateway.yaml');
  if (asked === undefined && !existsSync(file))
    return { ...parseConfig('', { file: null, folder: cwd, sources }), file: null };
  let text: string;
  try {
    text = sources.readFile(file);
  } catch (error) {
    const reason = `cannot be read (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`;
    throw new ConfigError(null, [{ path: '', reason: `${file} ${reason}`, value: null, line: null }]);
  }
  return { ...parseConfig(text, { file: basename(file), folder: dirname(file), sources }), file };
}

/** Checks the text of a configuration; `folder` is what relative paths start from, `file` how it is called in messages. */
export function parseConfig(
  text: string,
  {
    file,
    folder,
    sources = processSources,
  }: { readonly file: string | null; readonly folder: string; readonly sources?: Sources },
): Omit<LoadedConfig, 'file'> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const lineAt = (path: readonly PropertyKey[]): number | null => lineOf(document, lines, path);
  if (document.errors.length > 0) {
    throw new ConfigError(
      file,
      document.errors.map(({ message, pos }) => ({
        path: '',
        reason: `is not valid YAML: ${message}`,
        value: null,
        line: lines.linePos(pos[0]).line,
      })),
    );
  }
  const written: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  const { value, origins, problems } = resolveReferences(written, folder, sources);
  if (problems.length > 0) {
    throw new ConfigError(
      file,
      problems.map(({ path, reason }) => ({ path: pathText(path), reason, value: null, line: lineAt(path) })),
    );
  }
  const parsed = configSchema.safeParse(value);
  if (!parsed.success)
    throw new ConfigError(
      file,
      parsed.error.issues.flatMap((issue) => issueProblems(issue, value, lineAt)),
    );
  const config = resolvePaths(parsed.data, folder);
  const found = checkWhole(config).map(({ path, reason }) => ({
    path: pathText(path),
    reason,
    value: null,
    line: lineAt(path),
  }));
  if (found.length > 0) throw new ConfigError(file, found);
  return { config, origins, warnings: secretsInline(written, lineAt) };
}

function issueProblems(
  issue: z.core.$ZodIssue,
  value: unknown,
  lineAt: (path: readonly PropertyKey[]) => number | null,
): ConfigProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const schema = schemaAt(configSchema, issue.path);
    const known = schema === null ? [] : Object.keys(fieldsOf(schema)?.shape ?? {});
    return issue.keys.map((key) => {
      const meant = suggest(key, known);
      const path = [...issue.path, key];
      const reason = `is not known${meant === null ? `; known here: ${known.join(', ')}` : `; did you mean "${meant}"?`}`;
      return { path: pathText(path), reason, value: null, line: lineAt(path) };
    });
  }
  const at = issue.path.reduce<unknown>(
    (inner, step) => (inner as Record<PropertyKey, unknown> | undefined)?.[step],
    value,
  );
  const missing = at === undefined;
  const said = issue.code === 'invalid_type' ? `expected ${EXPECTED[issue.expected] ?? issue.expected}` : issue.message;
  const reason = missing && issue.code !== 'custom' ? `is needed (${said})` : said;
  const shown = missing || isSecret(configSchema, issue.path) ? null : short(at);
  return [{ path: pathText(issue.path), reason, value: shown, line: lineAt(issue.path) }];
}

const EXPECTED: Readonly<Record<string, string>> = {
  object: 'a section of keys and values',
  array: 'a list',
  string: 'a text',
};

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The line of the value at `path`, or of the nearest that encloses it. */
function lineOf(
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
  path: readonly PropertyKey[],
): number | null {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true) as { range?: [number, number, number] } | undefined;
    if (node?.range) return lines.linePos(node.range[0]).line;
  }
  return null;
}

function secretsInline(written: unknown, lineAt: (path: readonly PropertyKey[]) => number | null): ConfigProblem[] {
  const found: ConfigProblem[] = [];
  for (const { path, value } of leaves(written)) {
    if (typeof value !== 'string' || isReference(value) || !isSecret(configSchema, path) || !holdsSecret(path, value))
      continue;
    found.push({
      path: pathText(path),
      reason: 'is a secret written into the file; use env:NAME or file:path',
      value: null,
      line: lineAt(path),
    });
  }
  return found;
}

/** A database URL is only a secret when it carries a password. */
const holdsSecret = (path: readonly PropertyKey[], value: string): boolean =>
  pathText(path) !== 'store.url' || !URL.canParse(value) || new URL(value).password !== '';
