import { existsSync, readFileSync } from 'node:fs';
import sax from 'sax';
import { describe, expect, it } from 'vitest';
import {
  type AreaDescriptor,
  type AreaType,
  type FieldDescriptor,
  malArea,
  type OperationDescriptor,
  type TypeDescriptor,
} from '../mal/index.js';
import { mpdArea, mpdRegistry } from './area.js';

/** The declarations against the published area XML: names, numbers, types, order, nullability, errors, capability sets. */

const SPEC = new URL('../../../shared/spec/', import.meta.url);
const FILES: readonly (readonly [string, AreaDescriptor])[] = [
  ['area001-v003-MAL.xml', malArea],
  ['area009-v001-Mission-Product-Distribution.xml', mpdArea],
];

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
}

function parse(xml: string): Element {
  const parser = sax.parser(true, {});
  const root: Element = { name: '', attributes: {}, children: [] };
  const open = [root];
  parser.onopentag = ({ name, attributes }) => {
    const element = { name: name.replace('mal:', ''), attributes: attributes as Record<string, string>, children: [] };
    open.at(-1)!.children.push(element);
    open.push(element);
  };
  parser.onclosetag = () => open.pop();
  parser.write(xml).close();
  return root;
}

const find = (element: Element | undefined, name: string): Element | undefined =>
  element?.children.find((child) => child.name === name);
const findAll = (element: Element | undefined, ...names: string[]): Element[] =>
  element?.children.filter((child) => names.includes(child.name)) ?? [];

const xmlType = (element: Element | undefined): string => {
  const { area, name, list } = find(element, 'type')!.attributes;
  const inner = /^ObjectRef\((\w+)\)$/.exec(name!);
  const type = inner === null ? `${area}::${name}` : `ObjectRef(${area}::${inner[1]})`;
  return list === 'true' ? `List<${type}>` : type;
};

const xmlFields = (element: Element | undefined): string[] =>
  findAll(element, 'field').map(
    (field) => `${field.attributes.name}: ${xmlType(field)}${field.attributes.canBeNull === 'true' ? '?' : ''}`,
  );

function xmlArea(area: Element): unknown {
  const types = find(area, 'dataTypes')!.children.filter((type) => type.name !== 'fundamental');
  return {
    name: area.attributes.name,
    number: Number(area.attributes.number),
    version: Number(area.attributes.version),
    errors: findAll(find(area, 'errors'), 'error').map((e) => `${e.attributes.number} ${e.attributes.name}`),
    types: types.map((type) => ({
      name: type.attributes.name,
      kind: type.name,
      number: type.attributes.shortFormPart === undefined ? null : Number(type.attributes.shortFormPart),
      parent: find(type, 'extends') === undefined ? null : xmlType(find(type, 'extends')),
      fields: xmlFields(type),
      items: findAll(type, 'item').map((item) => `${item.attributes.nvalue} ${item.attributes.value}`),
    })),
    services: findAll(area, 'service').map((service) => ({
      name: service.attributes.name,
      number: Number(service.attributes.number),
      operations: findAll(service, 'capabilitySet').flatMap((set) =>
        set.children.map((operation) => ({
          name: operation.attributes.name,
          number: Number(operation.attributes.number),
          pattern: operation.name,
          capabilitySet: Number(set.attributes.number),
          messages: find(operation, 'messages')!.children.map((m) => [m.name, xmlFields(m)]),
          errors: findAll(find(operation, 'errors'), 'errorRef').map((use) => {
            const { area, name } = find(use, 'type')!.attributes;
            return `${area}::${name}: ${xmlType(find(use, 'extraInformation'))}`;
          }),
        })),
      ),
    })),
  };
}

const areaOf = (name: string): string => (mpdArea.types.some((type) => type.name === name) ? 'MPD' : 'MAL');
const typeText = (type: TypeDescriptor): string => {
  if (type.kind === 'list') return `List<${typeText(type.item)}>`;
  if (type.kind === 'attribute' && type.target !== undefined)
    return `ObjectRef(${areaOf(type.target)}::${type.target})`;
  return `${areaOf(type.name)}::${type.name}`;
};
const fieldTexts = (fields: readonly FieldDescriptor[]): string[] =>
  fields.map((field) => `${field.name}: ${typeText(field.type)}${field.nullable ? '?' : ''}`);

function declaredType(type: AreaType): unknown {
  const common = { name: type.name, parent: null, fields: [] as string[], items: [] as string[] };
  switch (type.kind) {
    case 'attribute':
      return { ...common, kind: 'attribute', number: type.number };
    case 'enumeration':
      return {
        ...common,
        kind: 'enumeration',
        number: type.number,
        items: [...type.items].map(([name, value]) => `${value} ${name}`),
      };
    case 'abstract':
      return {
        ...common,
        kind: 'composite',
        number: null,
        parent: 'MAL::Composite',
        fields: fieldTexts(type.base.fields),
      };
    case 'composite': {
      const { parent } = type;
      const inherited = typeof parent === 'string' ? (parent === 'Object' ? 1 : 0) : parent.fields.length;
      return {
        ...common,
        kind: 'composite',
        number: type.number,
        parent: typeof parent === 'string' ? `MAL::${parent}` : `MPD::${parent.name}`,
        fields: fieldTexts(type.fields.slice(inherited)),
      };
    }
    case 'any-attribute':
      throw new Error('a fundamental');
  }
}

const MESSAGES = {
  send: ['send'],
  submit: ['submit'],
  request: ['request', 'response'],
  invoke: ['invoke', 'acknowledgement', 'response'],
  progress: ['progress', 'acknowledgement', 'update', 'response'],
  pubsub: ['keys', 'publishNotify'],
} as const;

const messagesOf = (operation: OperationDescriptor): unknown[] =>
  MESSAGES[operation.pattern].map((stage) => {
    const { fields } = (operation as unknown as Record<string, { fields: readonly FieldDescriptor[] }>)[stage]!;
    return [stage === 'keys' ? 'subscriptionKeys' : stage, fieldTexts(fields)];
  });

const declaredArea = (area: AreaDescriptor): unknown => ({
  name: area.name,
  number: area.number,
  version: area.version,
  errors: area.errors.map((e) => `${e.number} ${e.name}`),
  types: area.types.filter((type) => type.kind !== 'any-attribute').map(declaredType),
  services: Object.values(area.services).map((service) => ({
    name: service.name,
    number: service.number,
    operations: Object.values(service.operations).map((operation) => ({
      name: operation.name,
      number: operation.number,
      pattern: `${operation.pattern}IP`,
      capabilitySet: operation.capabilitySet,
      messages: messagesOf(operation),
      errors: operation.errors.map((use) => `MPD::${use.error.name}: ${typeText(use.extraInformation!)}`),
    })),
  })),
});

const byName = (area: unknown): unknown => {
  const value = area as { types: { name: string }[] };
  return { ...value, types: [...value.types].sort((a, b) => (a.name < b.name ? -1 : 1)) };
};

describe.each(FILES)('%s', (file, area) => {
  const path = new URL(file, SPEC);
  it.skipIf(!existsSync(path))(`says what is declared${existsSync(path) ? '' : ' (the area XML is not here)'}`, () => {
    const specification = parse(readFileSync(path, 'utf8')).children[0];
    expect(byName(declaredArea(area))).toEqual(byName(xmlArea(find(specification, 'area')!)));
  });
});

describe('declarations', () => {
  it('are keyed by their own names', () => {
    for (const [name, service] of Object.entries(mpdArea.services)) {
      expect(service.name).toBe(name);
      for (const [key, operation] of Object.entries(service.operations)) expect(operation.name).toBe(key);
    }
  });

  it('have the absolute short forms of the published stack', () => {
    const id = (name: string): bigint => mpdRegistry.objectTypeId(name);
    expect(id('Product')).toBe(2533274807173121n);
    expect(id('DeliveryMethodEnum')).toBe(2533274807173132n);
    expect(id('UInteger')).toBe(281475027042316n);
    expect(id('NullableAttribute')).toBe(281475027043314n);
    expect(mpdRegistry.byId(281475043819514n)).toMatchObject({ kind: 'list', item: { name: 'Identifier' } });
    expect(mpdRegistry.byId(2533274823950332n)).toMatchObject({ kind: 'list', item: { name: 'ProductMetadata' } });
    const list = mpdRegistry.byId(281475043818510n)!;
    expect(mpdRegistry.idOf(list)).toBe(281475043818510n);
  });

  it('name unknown object types by number, and find the number again', () => {
    const name = mpdRegistry.objectTypeName(0x0004000201000005n);
    expect(name).toBe('0x0004000201000005');
    expect(mpdRegistry.objectTypeId(name)).toBe(0x0004000201000005n);
    expect(() => mpdRegistry.objectTypeId('Elephant')).toThrow(RangeError);
  });
});
