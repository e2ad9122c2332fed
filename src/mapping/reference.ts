import type { Concept, GroupRule, MappingFile, ProductRule, Source, Transform } from './schema.js';

/** The reference page of the mapping tables, in Markdown. */
export function referencePage(tables: readonly (readonly [file: string, mapping: MappingFile])[]): string {
  const parts = tables.map(([file, mapping]) => [
    `## ${mapping.title}`,
    `Table: \`mappings/${file}\`.`,
    '### Concepts',
    conceptTable(mapping.concepts),
    '### Product types',
    ...mapping.products.types.map((rule) => productSection(rule, mapping)),
    ...(mapping.products.groups === undefined ? [] : ['### Type groups', GROUPS, groupTable(mapping.products.groups)]),
  ]);
  return `${['# Mapping reference', INTRODUCTION, ...parts.flat()].join('\n\n')}\n`;
}

const INTRODUCTION = `This page is generated from \`mappings/*.yaml\` by \`npx tsx docs/mapping-reference.ts\`; the tables are what the gateway
runs on, not a description of it. *How* is one of: direct (MPD has it), emulated (MPD can express it), extension (offered beside MPD),
later, not offered. A named test proves a row on its binding.`;

function conceptTable(concepts: readonly Concept[]): string {
  const rows = concepts.map((row) => {
    const tests = Object.entries(row.tests ?? {}).map(([binding, test]) => `${binding}: ${test}`);
    const notes = [row.notes, ...tests].filter((text) => text !== undefined);
    return [
      row.table,
      row.concept,
      row.mpd,
      row.how,
      row.module === undefined ? '' : `\`${row.module}\``,
      notes.join('<br>'),
    ];
  });
  return markdown([['Table', 'Concept', 'MPD', 'How', 'Module', 'Notes and proof'], ...rows]);
}

const GROUPS = `A filter on the name of a group matches the products of its types. Groups are listed with the types, with the attributes
of their members; no product is of a group.`;

function groupTable(groups: readonly GroupRule[]): string {
  const rows = groups.map(({ name, description, types, where }) => [
    `\`${name}\``,
    types.map((type) => `\`${type}\``).join(', '),
    Object.entries(where)
      .map(([attribute, values]) => `\`${attribute}\` ${values.join(' or ')}`)
      .join('; '),
    description ?? '',
  ]);
  return markdown([['Group', 'Types', 'Only where', 'Description'], ...rows]);
}

function productSection(rule: ProductRule, mapping: MappingFile): string {
  const when = rule.when?.map((conditions) =>
    Object.entries(conditions)
      .map(
        ([field, condition]) =>
          `\`${field}\` ${typeof condition === 'string' ? `~ \`${condition}\`` : JSON.stringify(condition)}`,
      )
      .join(' and '),
  );
  const head = [
    `#### ${rule.name}`,
    rule.description ?? '',
    `When: ${when?.join('; or ') ?? 'nothing above took it'}.${rule.skip ? ' Not a product.' : ''}`,
  ].filter((text) => text !== '');
  if (rule.skip) return head.join('\n\n');
  const common = mapping.products.common;
  const general = GENERAL.flatMap(([name, label]) => {
    const source = rule[name] ?? common[name];
    return source === undefined ? [] : [[label, '', '', origin(source), '']];
  });
  const claims = (rule.claim ?? common.claim ?? []).map((claim) => [
    `claim of ${claim.algorithm}`,
    '',
    '',
    origin(claim),
    '',
  ]);
  const own = new Set(rule.attributes.map(({ name }) => name));
  const attributes = [...common.attributes.filter(({ name }) => !own.has(name)), ...rule.attributes].map(
    (attribute) => [
      `\`${attribute.name}\``,
      attribute.type,
      attribute.unit ?? '',
      origin(attribute),
      attribute.description ?? '',
    ],
  );
  return [
    ...head,
    markdown([['Field or attribute', 'Type', 'Unit', 'From', 'Description'], ...general, ...claims, ...attributes]),
  ].join('\n\n');
}

const GENERAL = [
  ['created', 'creationDate'],
  ['contentStart', 'contentDate.start'],
  ['contentEnd', 'contentDate.end'],
  ['source', 'source'],
  ['text', 'description'],
  ['fileName', 'file name on delivery'],
  ['mime', 'fileMetadata.mime'],
] as const;

function origin({ from, transform, default: fallback }: Source): string {
  const fields = from.map((field) => `\`${field}\``).join(', else ');
  const steps = transform.map((step) => `; ${stepText(step)}`).join('');
  const last = fallback === undefined ? '' : `${from.length > 0 ? ', else ' : ''}${JSON.stringify(fallback)}`;
  return `${fields}${steps}${last}`;
}

const stepText = (step: Transform): string => (typeof step === 'string' ? step : `\`${JSON.stringify(step)}\``);

function markdown(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')));
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}
