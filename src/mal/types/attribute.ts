import type { ObjectRef } from './object-ref.js';

/** The JavaScript value of each MAL attribute type. */
export interface AttributeValues {
  readonly Blob: Uint8Array;
  readonly Boolean: boolean;
  /** Nanoseconds. */
  readonly Duration: bigint;
  readonly Float: number;
  readonly Double: number;
  readonly Identifier: string;
  readonly Octet: number;
  readonly UOctet: number;
  readonly Short: number;
  readonly UShort: number;
  readonly Integer: number;
  readonly UInteger: number;
  readonly Long: bigint;
  readonly ULong: bigint;
  readonly String: string;
  /** Nanoseconds since 1970 UTC; the wire carries milliseconds. */
  readonly Time: bigint;
  /** Nanoseconds since 1970 UTC. */
  readonly FineTime: bigint;
  readonly URI: string;
  readonly ObjectRef: ObjectRef;
}

export type AttributeTypeName = keyof AttributeValues;

/** A value of the abstract type Attribute: tagged with its concrete type. */
export type Attribute = {
  readonly [K in AttributeTypeName]: { readonly type: K; readonly value: AttributeValues[K] };
}[AttributeTypeName];

/** All types in the order of their numbers: the type at index i has number i + 1. */
export const ATTRIBUTE_TYPES = [
  'Blob',
  'Boolean',
  'Duration',
  'Float',
  'Double',
  'Identifier',
  'Octet',
  'UOctet',
  'Short',
  'UShort',
  'Integer',
  'UInteger',
  'Long',
  'ULong',
  'String',
  'Time',
  'FineTime',
  'URI',
  'ObjectRef',
] as const satisfies readonly AttributeTypeName[];

/** Lowest and highest value of the whole-number types held as `number`. */
export const NUMBER_RANGES = {
  Octet: [-128, 127],
  UOctet: [0, 255],
  Short: [-32_768, 32_767],
  UShort: [0, 65_535],
  Integer: [-2_147_483_648, 2_147_483_647],
  UInteger: [0, 4_294_967_295],
} as const satisfies Partial<Record<AttributeTypeName, readonly [number, number]>>;

/** Lowest and highest value of the types held as `bigint`. */
export const BIGINT_RANGES = {
  Long: [-(2n ** 63n), 2n ** 63n - 1n],
  ULong: [0n, 2n ** 64n - 1n],
  Duration: [-(2n ** 63n), 2n ** 63n - 1n],
  Time: [-(2n ** 63n), 2n ** 63n - 1n],
  FineTime: [-(2n ** 63n), 2n ** 63n - 1n],
} as const satisfies Partial<Record<AttributeTypeName, readonly [bigint, bigint]>>;

export const TEXT_TYPES: ReadonlySet<AttributeTypeName> = new Set(['Identifier', 'String', 'URI']);

const byEnumItem = new Map<string, AttributeTypeName>(ATTRIBUTE_TYPES.map((name) => [name.toUpperCase(), name]));

/** Item of the MAL enumeration AttributeType (`UINTEGER`) for a type name (`UInteger`), and back. */
export const attributeTypeItem = <K extends AttributeTypeName>(name: K): Uppercase<K> =>
  name.toUpperCase() as Uppercase<K>;

/** @throws RangeError when there is no such item */
export function attributeTypeName(item: string): AttributeTypeName {
  const name = byEnumItem.get(item);
  if (name === undefined) throw new RangeError(`no attribute type ${item}`);
  return name;
}
