import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AnyAttribute,
  type Attribute,
  AttributeType,
  attribute,
  Blob,
  type BodyDescriptor,
  body,
  composite,
  createGrammar,
  Double,
  Duration,
  ENCODINGS,
  type Encoding,
  FineTime,
  Float,
  Identifier,
  Integer,
  isMalError,
  Long,
  list,
  MalBoolean,
  MalError,
  MalString,
  malArea,
  NamedValue,
  nullable,
  ObjectIdentity,
  ObjectRefType,
  Octet,
  parseTime,
  readError,
  ServiceId,
  SessionType,
  Short,
  Subscription,
  Time,
  type TypeDescriptor,
  UInteger,
  ULong,
  UOctet,
  UpdateHeader,
  UShort,
  writeError,
} from '../mal/index.js';
import { arbitraryOf } from '../mal/schema/arbitrary.js';
import { mpdArea, mpdRegistry } from './area.js';
import { OrderManagement, ProductOrderDelivery, ProductRetrieval } from './services.js';
import {
  AttributeFilter,
  DeliveryMethodEnum,
  Product,
  ProductFilter,
  ProductMetadata,
  ProductType,
  StandingOrder,
  TimeWindow,
} from './types.js';

/** Every recorded vector of the published Java stack, both ways; and what holds for any value and any bytes. */

const grammar = createGrammar(mpdRegistry);
const encodings = Object.values(ENCODINGS);

const encode = <V>(encoding: Encoding, type: BodyDescriptor<V>, value: V): Buffer => {
  const writer = encoding.createWriter();
  grammar.body(type).write(writer, value);
  return Buffer.concat(writer.finish());
};
const decode = <V>(encoding: Encoding, type: BodyDescriptor<V>, bytes: Uint8Array): V => {
  const reader = encoding.createReader(bytes);
  const value = grammar.body(type).read(reader);
  expect(reader.remaining).toBe(0);
  return value;
};

interface Vector {
  readonly type: TypeDescriptor;
  readonly nullable: boolean;
  readonly value: unknown;
}
const bare = (type: TypeDescriptor, value: unknown): Vector => ({ type, nullable: false, value });
const orNull = (type: TypeDescriptor, value: unknown): Vector => ({ type, nullable: true, value });

const time = parseTime('2010-01-01T09:13:51.352Z');
const window = { start: time, end: time };
const ref = { domain: ['nasa', 'hubble'], type: 'Product', key: 'tmData1', version: 1 };
const identity = { domain: ['nasa', 'hubble'], key: 'tmData1', version: 1 };
const uint = (value: number): Attribute => ({ type: 'UInteger', value });
const identifier = (value: string): Attribute => ({ type: 'Identifier', value });
const apid = { name: 'APID', value: uint(100) };
const apidFilter = { name: 'APID', include: true };
const range = { type: 'ValueRange', ...apidFilter, minimum: uint(50), maximum: uint(150) };
const filter = { productType: 'typeTM', domain: ['nasa', '*'], sources: null, attributeFilter: [range] };
const noFilter = { productType: null, domain: null, sources: null, attributeFilter: null };
const metadata = {
  productType: { name: 'typeTM', description: null, attributeDefs: null },
  productRef: ref,
  creationDate: time,
  source: null,
  externalURI: null,
  contentDate: window,
  attributes: [apid],
  description: 'd',
  fileMetadata: null,
  checksum: null,
};
const header = (last: Attribute | null): unknown => ({
  source: 'source',
  domain: ['esa', 'mission'],
  keyValues: [{ value: identifier('john.doe') }, { value: last }],
});
const anyField = composite('Any', 9999, { value: AnyAttribute });
const anyOrNullField = composite('AnyOrNull', 9998, { value: nullable(AnyAttribute) });

const vectors: Readonly<Record<string, Vector>> = {
  'null element': orNull(TimeWindow, null),
  true: bare(MalBoolean, true),
  false: bare(MalBoolean, false),
  'null string': orNull(MalString, null),
  'String Hello (bare)': bare(MalString, 'Hello'),
  'String Hello nullable': orNull(MalString, 'Hello'),
  'String empty': bare(MalString, ''),
  'String é€ (bare)': bare(MalString, 'é€'),
  'Octet -1': bare(Octet, -1),
  'UOctet 200': bare(UOctet, 200),
  'Short -2': bare(Short, -2),
  'UShort 300': bare(UShort, 300),
  'Integer -1': bare(Integer, -1),
  'Integer 64': bare(Integer, 64),
  'UInteger 300': bare(UInteger, 300),
  'UInteger 4294967295': bare(UInteger, 4294967295),
  'Long -1': bare(Long, -1n),
  'Long 1<<40': bare(Long, 1n << 40n),
  'ULong max': bare(ULong, 2n ** 64n - 1n),
  'ULong 300': bare(ULong, 300n),
  'Float 1.5': bare(Float, 1.5),
  'Double 1.5': bare(Double, 1.5),
  'Double -118.1835993': bare(Double, -118.1835993),
  'Duration 10s': bare(Duration, 10_000_000_000n),
  'Time 2010-01-01T09:13:51.352Z': bare(Time, time),
  'FineTime +123456ns': bare(FineTime, time + 123_456n),
  'Time epoch 1970': bare(Time, 0n),
  'Blob 010203': bare(Blob, new Uint8Array([1, 2, 3])),
  'Nullable Blob 010203': orNull(Blob, new Uint8Array([1, 2, 3])),
  'Enum SERVICE_JUST_METADATA': bare(DeliveryMethodEnum, 'SERVICE_JUST_METADATA'),
  'Enum AttributeType UINTEGER': bare(AttributeType, 'UINTEGER'),
  'Enum SessionType LIVE': bare(SessionType, 'LIVE'),
  'IdentifierList [nasa,hubble] bare': bare(list(Identifier), ['nasa', 'hubble']),
  'IdentifierList [nasa,hubble] nullable': orNull(list(Identifier), ['nasa', 'hubble']),
  'IdentifierList [] nullable': orNull(list(Identifier), []),
  'IntegerList [0]': bare(list(Integer), [0]),
  'Attribute String Hello': bare(anyField, { value: { type: 'String', value: 'Hello' } }),
  'Attribute nullable UInteger 100': bare(anyOrNullField, { value: uint(100) }),
  'Attribute nullable null': bare(anyOrNullField, { value: null }),
  'NamedValue APID=UInteger100': bare(NamedValue, apid),
  'NamedValueList [APID=100]': bare(list(NamedValue), [apid]),
  'AttributeList [UInteger100,String x]': bare(list(AnyAttribute), [uint(100), { type: 'String', value: 'x' }]),
  'ObjectRef bare': bare(ObjectRefType, ref),
  'ObjectRef via encodeElement': bare(ObjectRefType, ref),
  'ObjectRef nullable': orNull(ObjectRefType, ref),
  'ObjectRefList [1]': bare(list(ObjectRefType), [ref]),
  'ProductFilter bare (ValueRange)': bare(ProductFilter, filter),
  'ProductFilter nullable (ValueRange)': orNull(ProductFilter, filter),
  'AttributeFilterList bare': bare(list(AttributeFilter), [range]),
  'AttributeFilterList [ValueSet]': bare(list(AttributeFilter), [
    { type: 'ValueSet', ...apidFilter, values: [uint(100)] },
  ]),
  'AttributeFilterList [StringPattern]': bare(list(AttributeFilter), [
    { type: 'StringPattern', name: 'ImageSubject', include: true, regex: 'Ear.*' },
  ]),
  'ProductFilter all null': bare(ProductFilter, noFilter),
  UpdateHeader: bare(UpdateHeader, header({ type: 'Long', value: 7n })),
  'UpdateHeader null key': bare(UpdateHeader, header(null)),
  'UpdateHeader all null': bare(UpdateHeader, { source: null, domain: null, keyValues: null }),
  Subscription: bare(Subscription, {
    subscriptionId: 'myTestKey',
    domain: null,
    selectedKeys: null,
    filters: [{ name: 'user', values: [identifier('john.doe')] }],
  }),
  TimeWindow: bare(TimeWindow, window),
  'ProductType name only': bare(ProductType, { name: 'type1', description: null, attributeDefs: null }),
  'ProductType TM': bare(ProductType, {
    name: 'typeTM',
    description: 'desc',
    attributeDefs: [{ name: 'APID', attributeType: 'UINTEGER', units: null, description: null }],
  }),
  ProductMetadata: bare(ProductMetadata, metadata),
  Product: bare(Product, {
    objectIdentity: identity,
    productMetadata: metadata,
    productBody: new Uint8Array([1, 2, 3]),
  }),
  ObjectIdentity: bare(ObjectIdentity, identity),
  StandingOrder: bare(StandingOrder, {
    orderID: null,
    user: 'john.doe',
    productFilter: { ...noFilter, domain: ['*'] },
    validityPeriod: null,
    deliveryMethod: 'SERVICE_COMPLETE',
    deliverTo: null,
    comments: null,
  }),
  ServiceId: bare(ServiceId, { keyArea: 9, keyService: 1, keyAreaVersion: 1 }),
};

const errors: Readonly<Record<string, MalError>> = {
  'error body 4 IntegerList[0]': new MalError(4, '', { extraInformation: [0], extraType: list(Integer) }),
  'error body 65550 String oops': new MalError(65550, '', { extraInformation: 'oops' }),
  'error body 65549 null': new MalError(65549, ''),
};

/** Values that the Java encoder refuses: ours refuses them too. */
const refused: Readonly<Record<string, Vector>> = { 'Blob(null)': bare(Blob, null), 'Blob()': bare(Blob, null) };

const FILE = new URL('../../../shared/spec/mal-vectors.txt', import.meta.url);
const recorded = existsSync(FILE) ? readFileSync(FILE, 'utf8') : '';
const groups = recorded
  .split('## ')
  .slice(1)
  .map((group) => {
    const [name, ...lines] = group.trim().split('\n');
    return { name: name!, lines: lines.filter((line) => !line.startsWith('TYPE')) };
  });
const typeIds = [...recorded.matchAll(/^TYPE ([0-9a-f]{16}) (\d+) sfp=(-?\d+)/gm)];
const why = recorded === '' ? ' (the vectors are not here)' : '';

const BY_LETTER: Readonly<Record<string, Encoding>> = {
  F: ENCODINGS['binary-fixed'],
  V: ENCODINGS['binary-variable'],
  S: ENCODINGS['binary-split'],
};

const bodyOf = ({ type, nullable: may }: Vector): BodyDescriptor<{ readonly value: unknown }> =>
  body({ value: may ? nullable(type) : type });

describe.skipIf(recorded === '')(`recorded vectors${why}`, () => {
  it('are all covered', () => {
    expect(groups.length).toBeGreaterThan(60);
    const known = new Set([...Object.keys(vectors), ...Object.keys(errors), ...Object.keys(refused)]);
    expect(groups.map((group) => group.name).filter((name) => !known.has(name))).toEqual([]);
    expect(typeIds.length).toBeGreaterThan(25);
  });

  it.each(groups)('$name', ({ name, lines }) => {
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      const [letter, size, hex] = line.split(' ');
      const vector = vectors[name];
      const error = errors[name];
      if (letter === 'ERR') {
        for (const encoding of encodings) {
          expect(() => encode(encoding, bodyOf(refused[name]!), { value: null })).toThrow(MalError);
        }
        continue;
      }
      const encoding = BY_LETTER[letter!]!;
      const bytes = Buffer.from(hex!, 'hex');
      expect(size).toBe(`[${bytes.length}]`);
      if (vector !== undefined) {
        const type = bodyOf(vector);
        expect(encode(encoding, type, { value: vector.value }).toString('hex')).toBe(hex);
        expect(decode(encoding, type, bytes)).toEqual({ value: vector.value });
      } else {
        const writer = encoding.createWriter();
        writeError(grammar, writer, error!, null);
        expect(Buffer.concat(writer.finish()).toString('hex')).toBe(hex);
        const read = readError(grammar, encoding.createReader(bytes), String);
        expect([read.number, read.extraInformation]).toEqual([error!.number, error!.extraInformation]);
      }
    }
  });

  it('have the type ids of the registry', () => {
    for (const [, hex, decimal, number] of typeIds) {
      const id = BigInt(decimal!);
      expect(BigInt(`0x${hex}`)).toBe(id);
      if (id === 0n) continue;
      const type = mpdRegistry.byId(id)!;
      expect(mpdRegistry.idOf(type)).toBe(id);
      const item = type.kind === 'list' ? type.item : type;
      expect('number' in item ? item.number : 0).toBe(Math.abs(Number(number)));
      expect(type.kind === 'list').toBe(Number(number) < 0);
    }
  });
});

const messages: Readonly<Record<string, BodyDescriptor>> = Object.fromEntries(
  [ProductRetrieval, OrderManagement, ProductOrderDelivery].flatMap((service) =>
    Object.values(service.operations).flatMap((operation) =>
      Object.entries(operation)
        .filter(([, part]) => typeof part === 'object' && part !== null && 'fields' in part)
        .map(([stage, part]) => [`${operation.name} ${stage}`, part as BodyDescriptor]),
    ),
  ),
);
const bodies: Readonly<Record<string, BodyDescriptor>> = {
  ...messages,
  ...Object.fromEntries(
    [...malArea.types, ...mpdArea.types].map((type) => [type.name, body({ value: type as TypeDescriptor })]),
  ),
  ...Object.fromEntries(
    ['Boolean', 'ObjectRef', 'Double', 'Time'].map((name) => [
      `list of ${name}`,
      body({ value: list(attribute(name as 'Time')) }),
    ]),
  ),
};

describe.each(encodings)('$name', (encoding) => {
  it.each(Object.keys(bodies))('gives back any %s', (name) => {
    const type = bodies[name]!;
    fc.assert(
      fc.property(arbitraryOf(type, { wire: true }), (value) => {
        expect(decode(encoding, type, encode(encoding, type, value))).toEqual(value);
      }),
      { numRuns: 60 },
    );
  });

  it('gives nothing but Bad Encoding for mutated and truncated messages', () => {
    const names = Object.keys(bodies);
    const runs = Math.ceil(50_000 / encodings.length);
    const seeds = fc.sample(
      fc.constantFrom(...names).chain((name) =>
        fc.record({
          name: fc.constant(name),
          value: arbitraryOf(bodies[name]!, { wire: true }),
        }),
      ),
      500,
    );
    const samples = seeds.map(({ name, value }) => ({ name, bytes: encode(encoding, bodies[name]!, value) }));
    let state = 12345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let refusedCount = 0;
    for (let run = 0; run < runs; run++) {
      const sample = samples[random(samples.length)]!;
      let bytes = Buffer.from(sample.bytes);
      if (random(3) === 0) bytes = bytes.subarray(0, random(bytes.length + 1));
      for (let flips = random(4); flips > 0 && bytes.length > 0; flips--) {
        bytes[random(bytes.length)] = random(4) === 0 ? 0xff : random(256);
      }
      try {
        grammar.body(bodies[sample.name]!).read(encoding.createReader(bytes));
      } catch (error) {
        refusedCount++;
        if (!isMalError(error, 'Bad Encoding')) throw error;
      }
    }
    expect(refusedCount).toBeGreaterThan(runs / 20);
  });

  it('does not believe a list or a length that the message cannot hold', () => {
    const huge = encoding.createWriter();
    huge.count(0xffff_ffff);
    const bytes = Buffer.concat(huge.finish());
    for (const type of [list(Identifier), list(MalBoolean), list(UpdateHeader), list(AnyAttribute), MalString, Blob]) {
      const read = (): unknown => grammar.body(body({ value: type })).read(encoding.createReader(bytes));
      expect(read).toThrow(/Bad Encoding/);
    }
  });

  it('refuses text that is not UTF-8, and keeps U+FFFD where it was meant', () => {
    const type = body({ value: MalString });
    const bytes = encode(encoding, type, { value: 'ab\ufffd' });
    expect(decode(encoding, type, bytes)).toEqual({ value: 'ab\ufffd' });
    bytes[bytes.length - 1] = 0x41;
    expect(() => decode(encoding, type, bytes)).toThrow('not UTF-8');
  });

  it('rounds a finer time down, and the end of a window up', () => {
    const type = body({ value: TimeWindow });
    const value = { start: 1_999_999n, end: 1_000_001n };
    expect(decode(encoding, type, encode(encoding, type, { value }))).toEqual({
      value: { start: 1_000_000n, end: 2_000_000n },
    });
    expect(() => encode(encoding, body({ t: Time }), { t: parseTime('2200-01-01T00:00:00Z') })).toThrow(
      /t: a time outside/,
    );
  });

  it('names the field of a value that cannot be sent', () => {
    const type = ProductRetrieval.operations.listProducts.response;
    const bad = { ...metadata, attributes: [{ name: 'x', value: { type: 'Octet', value: 300 } }] };
    expect(() => encode(encoding, type, { metadatas: [metadata, bad] } as never)).toThrow(
      'metadatas[1].attributes[0].value: 300 is no Octet',
    );
    expect(() => encode(encoding, type, { metadatas: [{ ...metadata, productType: null }] } as never)).toThrow(
      'metadatas[0].productType: must not be null',
    );
  });

  it('sends large bodies without copying them', () => {
    const type = body({ value: Blob });
    const value = new Uint8Array(1_000_000).fill(7);
    const writer = encoding.createWriter();
    grammar.body(type).write(writer, { value });
    const pieces = writer.finish();
    expect(pieces.some((piece) => piece.buffer === value.buffer)).toBe(true);
    expect(decode(encoding, type, Buffer.concat(pieces))).toEqual({ value });
  });
});
