import fc from 'fast-check';
import {
  ATTRIBUTE_TYPES,
  type AttributeTypeName,
  BIGINT_RANGES,
  MAX_TIME,
  MIN_TIME,
  NS_PER_MS,
  NUMBER_RANGES,
} from '../types/index.js';
import type { BodyDescriptor, FieldDescriptor, TypeDescriptor, ValueOf } from './descriptor.js';

/** Random values of declared types, for property tests. */

export interface ArbitraryOptions {
  /** Only values that every binary encoding carries without loss: Time in whole milliseconds from 1958 to 2137 and so on. */
  readonly wire?: boolean;
  /** Longest list. */
  readonly maxLength?: number;
}

export const arbitraryOf = <T extends TypeDescriptor | BodyDescriptor>(
  type: T,
  options: ArbitraryOptions = {},
): fc.Arbitrary<ValueOf<T>> => create(type, options) as fc.Arbitrary<ValueOf<T>>;

function create(type: TypeDescriptor | BodyDescriptor, options: ArbitraryOptions): fc.Arbitrary<unknown> {
  if (!('kind' in type)) return fields(type.fields, null, options);
  switch (type.kind) {
    case 'attribute':
      return attribute(type.name, options);
    case 'any-attribute':
      return fc.oneof(
        ...ATTRIBUTE_TYPES.map((name) => attribute(name, options).map((value) => ({ type: name, value }))),
      );
    case 'enumeration':
      return fc.constantFrom(...type.items.keys());
    case 'list':
      return fc.array(create(type.item, options), { maxLength: options.maxLength ?? 4 });
    case 'composite':
      return fields(type.fields, type.tagged ? type.name : null, options);
    case 'abstract':
      return fc.oneof(...[...type.subtypes.values()].map((subtype) => create(subtype, options)));
  }
}

function fields(all: readonly FieldDescriptor[], tag: string | null, options: ArbitraryOptions): fc.Arbitrary<unknown> {
  const parts: Record<string, fc.Arbitrary<unknown>> = tag === null ? {} : { type: fc.constant(tag) };
  for (const field of all) {
    const value = create(field.type, options);
    parts[field.name] = field.nullable ? fc.option(value, { freq: 3 }) : value;
  }
  return fc.record(parts, { noNullPrototype: true });
}

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ unit: 'grapheme', maxLength: 12 }));

const DAY = 86_400_000n * NS_PER_MS;
const WIRE_FIRST = -4383n * DAY;
const WIRE_LAST = WIRE_FIRST + 65_536n * DAY - 1n;

function attribute(name: AttributeTypeName, { wire = false }: ArbitraryOptions): fc.Arbitrary<unknown> {
  switch (name) {
    case 'Blob':
      return fc.uint8Array({ maxLength: 24 });
    case 'Boolean':
      return fc.boolean();
    case 'Float':
      return fc.float();
    case 'Double':
      return fc.double();
    case 'Identifier':
    case 'String':
    case 'URI':
      return text;
    case 'Long':
    case 'ULong':
      return fc.bigInt(...BIGINT_RANGES[name]);
    case 'Duration':
      return wire ? fc.bigInt(-(2n ** 50n), 2n ** 50n) : fc.bigInt(...BIGINT_RANGES.Duration);
    case 'Time':
      return wire
        ? fc.bigInt(WIRE_FIRST / NS_PER_MS, WIRE_LAST / NS_PER_MS).map((ms) => ms * NS_PER_MS)
        : fc.bigInt(MIN_TIME, MAX_TIME);
    case 'FineTime':
      return wire ? fc.bigInt(WIRE_FIRST, WIRE_LAST) : fc.bigInt(MIN_TIME, MAX_TIME);
    case 'ObjectRef':
      return fc.record(
        {
          domain: fc.array(text, { maxLength: 3 }),
          type: fc.constantFrom('Product', '0x0004000201000005', '0xfffe000101fffffb'),
          key: text,
          version: fc.nat({ max: NUMBER_RANGES.UInteger[1] }),
        },
        { noNullPrototype: true },
      );
    default: {
      const [min, max] = NUMBER_RANGES[name];
      return fc.integer({ min, max });
    }
  }
}
