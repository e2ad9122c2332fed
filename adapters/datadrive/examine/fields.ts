import type { Examined } from '../../../src/gateway/examine.js';
import type { DataDriveConfig } from '../config.js';
import type { FieldKind, FieldTable } from '../schema.js';
import { bad, good, listed, warning } from './findings.js';

type Fields = DataDriveConfig['fields'];

const KEYWORD: readonly FieldKind[] = ['keyword'];
const DATE: readonly FieldKind[] = ['date', 'date-nanos'];

/** What each system field has to be, and what is missing without it. `null`: nothing works without it. */
const ROLES: Readonly<
  Record<keyof Fields, { readonly kinds: readonly FieldKind[] | null; readonly without: string | null }>
> = {
  id: { kinds: KEYWORD, without: null },
  package: { kinds: KEYWORD, without: null },
  type: { kinds: KEYWORD, without: null },
  url: { kinds: null, without: null },
  created: { kinds: DATE, without: null },
  updated: { kinds: DATE, without: null },
  fullName: { kinds: KEYWORD, without: 'no folders, no rights by path, and namesakes are not told apart' },
  name: { kinds: null, without: 'delivered files are named by their id' },
  size: { kinds: null, without: 'sizes are not known before a transfer' },
  etag: { kinds: null, without: 'a change of bytes is told by the update time alone' },
  owner: { kinds: null, without: 'products have no source' },
  extension: { kinds: null, without: 'the MIME type is guessed from the name' },
};

export function* examineFields(
  { fields, packageDomains, packages }: DataDriveConfig,
  tables: ReadonlyMap<string, FieldTable>,
): Generator<Examined> {
  for (const [role, { kinds, without }] of Object.entries(ROLES) as [keyof Fields, (typeof ROLES)[keyof Fields]][]) {
    const field = fields[role];
    const part = `field ${role} = ${field}`;
    const lacking = [...tables].filter(([, table]) => !table.has(field)).map(([alias]) => alias);
    const odd = [...tables].filter(([, table]) => kinds && !kinds.includes(table.get(field)?.kind ?? kinds[0]!));
    const todo = `name the field that holds it under fields.${role}; ${candidates(role, kinds, tables)}`;
    const needed = without === null && !(role === 'package' && !packageDomains && !packages);
    if (lacking.length > 0) {
      const found = `not in the mapping of ${listed(lacking)}`;
      yield needed ? bad(part, found, todo) : warning(part, `${found}: ${without ?? 'not used'}`, todo);
    } else if (odd.length > 0) {
      const found = odd.map(([alias, table]) => `${table.get(field)?.kind} in ${alias}`).join(', ');
      yield bad(part, `is ${found}, and has to be ${kinds?.join(' or ')}`, todo);
    } else yield good(part, `in all ${tables.size} aliases, ${[...tables.values()][0]?.get(field)?.kind}`);
  }
}

function candidates(
  role: keyof Fields,
  kinds: readonly FieldKind[] | null,
  tables: ReadonlyMap<string, FieldTable>,
): string {
  const word = role.replace('fullName', 'name').replace('extension', 'ext').toLowerCase();
  const fitting = new Set<string>();
  for (const table of tables.values())
    for (const [name, { kind }] of table)
      if (kinds === DATE ? DATE.includes(kind) : name.toLowerCase().includes(word)) fitting.add(name);
  const of = kinds === DATE ? 'dates' : `fields with “${word}”`;
  return `${of} there: ${listed([...fitting].sort()) || 'none'}`;
}
