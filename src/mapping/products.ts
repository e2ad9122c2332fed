import { RE2JS } from 're2js';
import { type AttributeTypeName, attributeTypeItem, type NamedValue } from '../mal/index.js';
import type { GroupMember, TypeGroup } from '../mpd/filter/index.js';
import type { AttributeDef, AttributeFilter, ProductType } from '../mpd/index.js';
import { toAttribute, toTime } from './attribute.js';
import type { AttributeRule, Condition, GroupRule, ProductRule, ProductRules, Source } from './schema.js';
import { compileTransform, isList, type Raw, type Step } from './transform.js';

/** The values of one legacy record by field name; undefined or null where it has none. */
export type Fields = (field: string) => Raw | null | undefined;

/** Where records of one kind have a field: looked up once, read of each record. */
export type Place<R> = (field: string) => (record: R) => Raw | null | undefined;

/** A record as the mapping describes it. Absent values are null. */
export interface Described {
  readonly productType: string;
  readonly created: bigint | null;
  readonly contentStart: bigint | null;
  readonly contentEnd: bigint | null;
  readonly source: string | null;
  readonly description: string | null;
  readonly fileName: string | null;
  readonly mime: string | null;
  readonly claim: Claim | null;
  readonly attributes: readonly NamedValue[];
  /** Values that are there but could not be read as declared. */
  readonly problems: readonly string[];
}

export interface Claim {
  readonly algorithm: 'md5' | 'sha-256' | 'crc32c' | 'sha-1' | 'sha-512';
  readonly value: Uint8Array;
}

const CLAIM_BYTES = { md5: 16, 'sha-256': 32, crc32c: 4, 'sha-1': 20, 'sha-512': 64 } as const;

/** Where an attribute comes from, for turning a filter into the system's own query. */
export interface Origin {
  readonly field: string;
  readonly type: AttributeTypeName;
}

export interface ProductMapper {
  readonly types: readonly ProductType[];
  /** Names that stand for several of the types in a filter. */
  readonly groups: readonly TypeGroup[];
  /** The type of this name; a name that is not declared has no attributes. */
  type(name: string): ProductType;
  /** null = no product. */
  describe(fields: Fields): Described | null;
  /** The same for many records of one kind. */
  describer<R>(place: Place<R>): (record: R) => Described | null;
  /**
   * The one field whose value is the attribute's, unchanged, in every type that has the attribute; null when there is
   * none, so that only the exact evaluation of the filter can tell.
   */
  origin(attribute: string): Origin | null;
}

/** Compiles the `products` part of a mapping once. */
export function productMapper(rules: ProductRules): ProductMapper {
  const describer = <R>(place: Place<R>): ((record: R) => Described | null) => {
    const compiled = rules.types.map((rule) => compileRule(rule, rules.common, place));
    return (record) => {
      for (const { match, describe } of compiled) {
        const groups = match(record);
        if (groups !== null) return describe(record, groups);
      }
      return null;
    };
  };
  const types = declaredTypes(rules);
  const byName = new Map(types.map((type) => [type.name, type]));
  return {
    types,
    groups: (rules.groups ?? []).map((group) => groupOf(group, rules)),
    type: (name) => byName.get(name) ?? { name, description: null, attributeDefs: null },
    describe: describer<Fields>((field) => (fields) => fields(field)),
    describer,
    origin: (attribute) => findOrigin(rules, attribute),
  };
}

function declaredTypes(rules: ProductRules): readonly ProductType[] {
  const types = new Map<string, { description: string | null; attributes: Map<string, AttributeDef> }>();
  for (const rule of rules.types) {
    if (rule.skip) continue;
    const type = types.get(rule.name) ?? { description: null, attributes: new Map<string, AttributeDef>() };
    type.description ??= rule.description ?? null;
    for (const attribute of [...rules.common.attributes, ...rule.attributes]) {
      type.attributes.set(attribute.name, attributeDef(attribute));
    }
    types.set(rule.name, type);
  }
  return [...types].map(([name, { description, attributes }]) => ({
    name,
    description,
    attributeDefs: attributes.size === 0 ? null : [...attributes.values()],
  }));
}

function groupOf({ name, description, types, where }: GroupRule, rules: ProductRules): TypeGroup {
  const members = types.map((type): GroupMember => {
    const own = rules.types.flatMap((rule) => (rule.name === type ? rule.attributes : []));
    const attributeFilter = Object.entries(where).map(([attribute, wanted]): AttributeFilter => {
      const declared = [...own, ...rules.common.attributes].find((one) => one.name === attribute)!;
      const values = wanted.map((value) => toAttribute(declared.type, value)!);
      return { type: 'ValueSet', name: attribute, include: true, values };
    });
    return { type, attributeFilter };
  });
  return { name, description: description ?? null, members };
}

const attributeDef = ({ name, type, unit, description }: AttributeRule): AttributeDef => ({
  name,
  attributeType: attributeTypeItem(type),
  units: unit ?? null,
  description: description ?? null,
});

function findOrigin(rules: ProductRules, attribute: string): Origin | null {
  const own = rules.types.flatMap((rule) => rule.attributes.filter(({ name }) => name === attribute));
  const all = [...own, ...rules.common.attributes.filter(({ name }) => name === attribute)];
  const [first] = all;
  const field = first?.from[0];
  if (first === undefined || field === undefined || field.startsWith('match.')) return null;
  const same = all.every(
    ({ from, transform, type, default: other }) =>
      from.length === 1 && from[0] === field && transform.length === 0 && type === first.type && other === undefined,
  );
  return same ? { field, type: first.type } : null;
}

/** Named groups of a rule's patterns as `match.<group>`. */
type Groups = ReadonlyMap<string, string>;

interface CompiledRule<R> {
  /** null where the conditions do not hold. */
  readonly match: (record: R) => Groups | null;
  readonly describe: (record: R, groups: Groups) => Described | null;
}

function compileRule<R>(rule: ProductRule, common: ProductRules['common'], place: Place<R>): CompiledRule<R> {
  const match = compileWhen(rule.when, place);
  if (rule.skip) return { match, describe: () => null };
  const names = new Set(rule.attributes.map(({ name }) => name));
  const attributes = [...common.attributes.filter(({ name }) => !names.has(name)), ...rule.attributes].map(
    (attribute) => ({ attribute, read: compileSource(attribute, place) }),
  );
  const claims = (rule.claim ?? common.claim ?? []).map((claim) => ({
    algorithm: claim.algorithm,
    read: compileSource(claim, place),
  }));
  const value = (name: Exclude<keyof typeof common, 'attributes' | 'claim'>) =>
    compileSource(rule[name] ?? common[name], place);
  const read = {
    created: value('created'),
    contentStart: value('contentStart'),
    contentEnd: value('contentEnd'),
    source: value('source'),
    text: value('text'),
    fileName: value('fileName'),
    mime: value('mime'),
  };
  return {
    match,
    describe(record, groups) {
      const problems: string[] = [];
      const values = valuesIn(attributes, record, groups, problems);
      return {
        productType: rule.name,
        created: timeIn('created', read.created(record, groups), problems),
        contentStart: timeIn('contentStart', read.contentStart(record, groups), problems),
        contentEnd: timeIn('contentEnd', read.contentEnd(record, groups), problems),
        source: textIn(read.source(record, groups)),
        description: textIn(read.text(record, groups)),
        fileName: textIn(read.fileName(record, groups)),
        mime: textIn(read.mime(record, groups)),
        claim: claimIn(claims, record, groups, problems),
        attributes: values,
        problems,
      };
    },
  };
}

type Read<R> = (record: R, groups: Groups) => Raw | undefined;

function valuesIn<R>(
  attributes: readonly { readonly attribute: AttributeRule; readonly read: Read<R> }[],
  record: R,
  groups: Groups,
  problems: string[],
): readonly NamedValue[] {
  const values: NamedValue[] = [];
  for (const { attribute, read } of attributes) {
    const raw = read(record, groups);
    if (raw === undefined) continue;
    const found = toAttribute(attribute.type, raw);
    if (found === undefined) problems.push(`${attribute.name}: no ${attribute.type}: ${shown(raw)}`);
    else values.push({ name: attribute.name, value: found });
  }
  return values;
}

function timeIn(name: string, raw: Raw | undefined, problems: string[]): bigint | null {
  if (raw === undefined) return null;
  const found = toTime(raw);
  if (found === undefined) problems.push(`${name}: not a time: ${shown(raw)}`);
  return found ?? null;
}

function textIn(raw: Raw | undefined): string | null {
  const first = raw !== undefined && isList(raw) ? raw[0] : raw;
  return first === undefined || first === '' ? null : String(first);
}

function claimIn<R>(
  claims: readonly { readonly algorithm: Claim['algorithm']; readonly read: Read<R> }[],
  record: R,
  groups: Groups,
  problems: string[],
): Claim | null {
  for (const { algorithm, read } of claims) {
    const raw = read(record, groups);
    if (raw === undefined) continue;
    const bytes = Buffer.from(String(raw).trim(), 'hex');
    if (bytes.length === CLAIM_BYTES[algorithm]) return { algorithm, value: bytes };
    problems.push(`claim: no ${algorithm} in hex: ${shown(raw)}`);
  }
  return null;
}

const shown = (raw: Raw): string => JSON.stringify(String(raw).slice(0, 60));

function compileSource<R>(source: Source | undefined, place: Place<R>): Read<R> {
  const [first, ...from] = source?.from ?? [];
  if (source === undefined || first === undefined) return () => source?.default;
  const own = compileField(first, place);
  const steps: readonly Step[] = source.transform.map(compileTransform);
  const read: Read<R> = (record, groups) => {
    let value = own(record, groups);
    for (let i = 0; i < steps.length && value !== undefined; i++) value = steps[i]!(value);
    return value !== undefined && isList(value) && value.length === 0 ? undefined : value;
  };
  if (from.length === 0 && source.default === undefined) return read;
  const next = compileSource({ ...source, from }, place);
  return (record, groups) => read(record, groups) ?? next(record, groups);
}

function compileField<R>(field: string, place: Place<R>): Read<R> {
  const read = place(field);
  const own: Read<R> = (record) => read(record) ?? undefined;
  return field.startsWith('match.') ? (record, groups) => groups.get(field) ?? own(record, groups) : own;
}

const NO_GROUPS = new Map<string, string>();

interface Test {
  readonly test: (value: Raw | undefined, groups: Map<string, string>) => boolean;
  /** It names groups. */
  readonly names: boolean;
}

function compileWhen<R>(when: ProductRule['when'], place: Place<R>): CompiledRule<R>['match'] {
  if (when === undefined) return () => NO_GROUPS;
  const alternatives = when.map((conditions) => {
    const tests = Object.entries(conditions).map(([field, condition]) => ({
      read: place(field),
      ...compileCondition(condition),
    }));
    return { tests, names: tests.some(({ names }) => names) };
  });
  return (record) => {
    for (const { tests, names } of alternatives) {
      const groups = names ? new Map<string, string>() : NO_GROUPS;
      if (tests.every(({ read, test }) => test(read(record) ?? undefined, groups))) return groups;
    }
    return null;
  };
}

function compileCondition(condition: Condition): Test {
  if (typeof condition === 'string') {
    const regex = RE2JS.compile(condition);
    const names = Object.keys(regex.namedGroups());
    const test: Test['test'] = (value, groups) =>
      items(value).some((item) => {
        const matcher = regex.matcher(String(item));
        if (!matcher.find()) return false;
        for (const name of names) {
          const found = matcher.group(name);
          if (found !== null) groups.set(`match.${name}`, found);
        }
        return true;
      });
    return { test, names: names.length > 0 };
  }
  if ('present' in condition) return { test: (value) => items(value).length > 0 === condition.present, names: false };
  const wanted = new Set(('in' in condition ? condition.in : [condition.equals]).map(String));
  return { test: (value) => items(value).some((item) => wanted.has(String(item))), names: false };
}

const items = (value: Raw | undefined): readonly Raw[] => (value === undefined ? [] : isList(value) ? value : [value]);
