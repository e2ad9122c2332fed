import mime from 'mime-types';
import type { Checksum } from '../../src/gateway/backend.js';
import type { Described, ProductMapper, Raw } from '../../src/mapping/index.js';
import { baseName, extensionOf, folderOf } from './names.js';
import type { Fact } from './read.js';

export interface Subject {
  readonly path: string;
  readonly size: bigint;
  /** Update time of the content, ns since 1970. */
  readonly updated: bigint;
  /** In the order of their origins: the last of a kind counts. */
  readonly facts: readonly Pick<Fact, 'kind' | 'facts'>[];
}

export interface Description extends Omit<Described, 'created' | 'contentStart' | 'contentEnd' | 'mime'> {
  readonly created: bigint;
  readonly contentStart: bigint;
  readonly contentEnd: bigint;
  readonly mime: string;
}

/** What the mapping makes of a file; null when it is no product. Times that nothing tells are those of the file. */
export function describeFile(mapper: ProductMapper, subject: Subject): Description | null {
  const described = mapper.describe(fieldsOf(subject));
  if (described === null) return null;
  const created = described.created ?? subject.updated;
  const start = described.contentStart ?? described.contentEnd ?? created;
  const end = described.contentEnd ?? start;
  const reversed = end < start;
  return {
    ...described,
    created,
    contentStart: start,
    contentEnd: reversed ? start : end,
    mime: described.mime ?? (mime.lookup(baseName(subject.path)) || 'application/octet-stream'),
    problems: reversed ? [...described.problems, 'contentDate: it ends before it starts'] : described.problems,
  };
}

/** Fields that a mapping of the archive can name: `file.*`, `label.*`, `sidecar.*`, `packets.*`. */
function fieldsOf({ path, size, updated, facts }: Subject): (field: string) => Raw | undefined {
  const name = baseName(path);
  const extension = extensionOf(path);
  const file: Record<string, Raw> = {
    path,
    name,
    stem: extension === '' ? name : name.slice(0, -extension.length - 1),
    extension,
    folder: folderOf(path),
    folders: folderOf(path) === '' ? [] : folderOf(path).split('/'),
    size,
    modified: updated,
  };
  const spaces = new Map<string, unknown>([['file', file], ...facts.map((fact) => [fact.kind, fact.facts] as const)]);
  return (field) => {
    const [space = '', ...rest] = field.split('.');
    let value = spaces.get(space);
    for (const step of rest) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
      value = (value as Record<string, unknown>)[step];
    }
    return toRaw(value);
  };
}

function toRaw(value: unknown): Raw | undefined {
  if (Array.isArray(value)) return value.map(toRaw).filter((item) => item !== undefined);
  if (typeof value === 'string') return wellFormed(value);
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? value : undefined;
}

export const sameClaim = (a: Checksum | null, b: Checksum | null): boolean =>
  a === null || b === null ? a === b : a.algorithm === b.algorithm && Buffer.compare(a.value, b.value) === 0;

/** Text that the database takes: no NUL, no half of a surrogate pair. */
const wellFormed = (text: string): string => Buffer.from(text.replaceAll('\0', ''), 'utf8').toString('utf8');
