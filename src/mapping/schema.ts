import { RE2JS } from 're2js';
import { z } from 'zod';
import { ATTRIBUTE_TYPES } from '../mal/index.js';
import { toAttribute } from './attribute.js';

/** Shape of `mappings/<system>.yaml`: the concept rows, and how one record of the system becomes a product. */

/** A regular expression in RE2 syntax, as text. */
const pattern = z.string().superRefine((text, context) => {
  try {
    RE2JS.compile(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: `no RE2 pattern: ${(error as Error).message}` });
  }
});

export const HOW = ['direct', 'emulated', 'extension', 'later', 'not offered'] as const;
export const BINDINGS = ['http', 'cli', 'mal', 'edds', 'datadrive'] as const;

const concept = z
  .strictObject({
    /** Unique in the file; stable, so that other documents can point at it. */
    id: z.string().regex(/^[a-z0-9-]+$/),
    /** Where the row comes from: a published table, or the text beside it. */
    table: z.string(),
    concept: z.string(),
    mpd: z.string(),
    how: z.enum(HOW),
    /** Why it is late or not offered; otherwise what a reader should know. */
    notes: z.string().optional(),
    /** Where in the source it is done, relative to the repository. */
    module: z.string().optional(),
    /** Per binding the test that proves it: `file › test name`. */
    tests: z.partialRecord(z.enum(BINDINGS), z.string().includes(' › ')).optional(),
  })
  .superRefine((row, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    const offered = row.how !== 'later' && row.how !== 'not offered';
    if (offered && Object.keys(row.tests ?? {}).length === 0)
      issue('tests', `"${row.how}" needs a test that proves it`);
    if (offered && row.module === undefined) issue('module', `"${row.how}" needs the module that does it`);
    if (!offered && row.notes === undefined) issue('notes', `"${row.how}" needs a reason`);
  });

export type Concept = z.infer<typeof concept>;

/** `file.path`, `label.files`, …: names under which the adapter offers the values of a record. */
const field = z.string().regex(/^[A-Za-z_][\w.-]*$/, 'no field name');

const transform = z.union([
  z.enum(['trim', 'lower', 'upper', 'first', 'last']),
  /** Elements of a list as one text. */
  z.strictObject({ join: z.string() }),
  /** The first group of the pattern, or all of the match; no match = no value. */
  z.strictObject({ extract: pattern }),
  z.strictObject({ replace: pattern, by: z.string() }),
  /** One value for another; `*` for all others, without it they are no value. */
  z.strictObject({ map: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])) }),
  z.strictObject({ scale: z.number() }),
  /** Whole number written in this base. */
  z.strictObject({ base: z.int().min(2).max(36) }),
  /**
   * Text or number to a time. `calendar-digits`: the digits are year, month, day and as much of hour, minute, second,
   * fraction as there is; `ordinal-digits`: the same with the day of the year.
   */
  z.strictObject({ time: z.enum(['epoch-s', 'epoch-ms', 'calendar-digits', 'ordinal-digits']) }),
]);

export type Transform = z.infer<typeof transform>;

const scalar = z.union([z.string(), z.number(), z.boolean()]);

const source = z.strictObject({
  /** The first of these that has a value. */
  from: z.union([field, z.array(field).min(1)]).transform((from) => (typeof from === 'string' ? [from] : from)),
  transform: z.array(transform).default([]),
  default: scalar.optional(),
});

/** A field, several of which the first with a value counts, or the long form. */
const binding = z.union([
  field.transform((from) => ({ from: [from], transform: [] })),
  z
    .array(field)
    .min(1)
    .transform((from) => ({ from, transform: [] })),
  source,
  z.strictObject({ value: scalar }).transform(({ value }) => ({ from: [], transform: [], default: value })),
]);

export interface Source {
  readonly from: readonly string[];
  readonly transform: readonly Transform[];
  readonly default?: string | number | boolean | undefined;
}

const attribute = z.strictObject({
  name: z.string().min(1),
  type: z.enum(ATTRIBUTE_TYPES).exclude(['Blob', 'ObjectRef']),
  unit: z.string().optional(),
  description: z.string().optional(),
  ...source.shape,
});

export type AttributeRule = z.infer<typeof attribute>;

const condition = z.union([
  /** Found in the text; its named groups become the fields `match.<group>`. */
  pattern,
  z.strictObject({ equals: scalar }),
  z.strictObject({ in: z.array(scalar).min(1) }),
  z.strictObject({ present: z.boolean() }),
]);

export type Condition = z.infer<typeof condition>;

const general = {
  created: binding.optional(),
  contentStart: binding.optional(),
  contentEnd: binding.optional(),
  source: binding.optional(),
  /** Description of the product, as opposed to that of its type. */
  text: binding.optional(),
  fileName: binding.optional(),
  mime: binding.optional(),
  /** What the source says of its bytes, in hex: the first that has a value. */
  claim: z
    .array(z.strictObject({ algorithm: z.enum(['md5', 'sha-256', 'crc32c', 'sha-1', 'sha-512']), ...source.shape }))
    .optional(),
};

const productType = z
  .strictObject({
    name: z.string().min(1),
    description: z.string().optional(),
    /** Alternatives, each a set of conditions that all hold; absent = every record that no type above took. */
    when: z.array(z.record(field, condition)).min(1).optional(),
    /** Records of this kind are no products. */
    skip: z.literal(true).optional(),
    ...general,
    attributes: z.array(attribute).default([]),
  })
  .superRefine((type, context) => {
    const seen = new Set<string>();
    type.attributes.forEach(({ name }, index) => {
      if (seen.has(name)) {
        context.addIssue({ code: 'custom', path: ['attributes', index, 'name'], message: `"${name}" appears twice` });
      }
      seen.add(name);
    });
  });

export type ProductRule = z.infer<typeof productType>;

const typeGroup = z.strictObject({
  name: z.string().min(1),
  description: z.string().optional(),
  /** Names of types of this mapping. */
  types: z.array(z.string()).min(1),
  /** Only products with one of these values, by attribute; absent = all products of the types. */
  where: z.record(z.string(), z.array(scalar).min(1)).default({}),
});

export type GroupRule = z.infer<typeof typeGroup>;

export const productRules = z
  .strictObject({
    /** What holds for every type that does not say otherwise. */
    common: z.strictObject({ ...general, attributes: z.array(attribute).default([]) }).default({ attributes: [] }),
    /** The first whose conditions hold decides. The same name may stand several times: one type, several kinds of record. */
    types: z.array(productType).min(1),
    /** Names that stand for several types in a filter; no product is of them. */
    groups: z.array(typeGroup).optional(),
  })
  .superRefine(({ common, types, groups = [] }, context) => {
    const taken = new Set(types.map(({ name }) => name));
    groups.forEach((group, index) => {
      const issue = (path: readonly (string | number)[], message: string) =>
        context.addIssue({ code: 'custom', path: ['groups', index, ...path], message });
      if (taken.has(group.name)) issue(['name'], `"${group.name}" is the name of a type or of another group`);
      group.types.forEach((name, at) => {
        const rules = types.filter((type) => type.name === name && type.skip === undefined);
        if (rules.length === 0) issue(['types', at], `there is no type "${name}"`);
        const attributes = [...rules.flatMap((rule) => rule.attributes), ...common.attributes];
        for (const [attributeName, values] of rules.length === 0 ? [] : Object.entries(group.where)) {
          const declared = attributes.find((one) => one.name === attributeName);
          const path = ['where', attributeName];
          if (declared === undefined) issue(path, `the type "${name}" has no attribute "${attributeName}"`);
          else if (values.some((value) => toAttribute(declared.type, value) === undefined))
            issue(path, `not every value is a ${declared.type}`);
        }
      });
      taken.add(group.name);
    });
  });

export type ProductRules = z.infer<typeof productRules>;

export const mappingFile = z.strictObject({
  /** What the table translates, for the reference page. */
  title: z.string(),
  concepts: z.array(concept).superRefine((rows, context) => {
    const seen = new Set<string>();
    rows.forEach(({ id }, index) => {
      if (seen.has(id)) context.addIssue({ code: 'custom', path: [index, 'id'], message: `"${id}" appears twice` });
      seen.add(id);
    });
  }),
  products: productRules,
  /** How this system's records are read: checked by its adapter. */
  readers: z.unknown().optional(),
});

export type MappingFile = z.infer<typeof mappingFile>;
