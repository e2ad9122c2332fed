import type { Examined } from '../../../src/gateway/examine.js';
import type { ProductRules } from '../../../src/mapping/index.js';
import { siteField } from '../record.js';
import type { FieldTable } from '../schema.js';
import type { Examination } from './examination.js';
import { good, listed, warning } from './findings.js';

/** Fields that the mapping table reads, apart from the system fields. */
export function* examineMapping(
  { config, products }: Examination,
  tables: ReadonlyMap<string, FieldTable>,
): Generator<Examined> {
  const system = new Set(Object.values(config.fields));
  for (const [field, uses] of fieldsRead(products)) {
    const name = siteField(field, config.fields);
    if (system.has(name)) continue;
    const base = name.replace(/\.(gte|lte)$/, '');
    const having = [...tables].filter(([, table]) => table.has(name) || table.get(base)?.range).map(([alias]) => alias);
    const part = `mapping ${name}`;
    const what = listed([...uses]);
    if (having.length > 0) yield good(part, `${what}: in ${listed(having)}`);
    else if (config.mapping === undefined) yield good(part, `${what}: in no alias, so never there`);
    else yield warning(part, `${what}: in no alias, so never there`, `correct or remove it in ${config.mapping}`);
  }
}

function fieldsRead({ common, types }: ProductRules): ReadonlyMap<string, ReadonlySet<string>> {
  const read = new Map<string, Set<string>>();
  const add = (fields: readonly string[], use: string): void => {
    for (const field of fields) read.set(field, (read.get(field) ?? new Set()).add(use));
  };
  for (const rule of [common, ...types]) {
    for (const part of ['created', 'contentStart', 'contentEnd', 'source', 'text', 'fileName', 'mime'] as const) {
      const source = rule[part];
      if (source && typeof source === 'object' && 'from' in source) add(source.from, part);
    }
    for (const { algorithm, from } of rule.claim ?? []) add(from, `checksum ${algorithm}`);
    for (const { name, from } of rule.attributes) add(from, `attribute ${name}`);
  }
  return read;
}
