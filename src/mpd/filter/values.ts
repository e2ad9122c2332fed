import {
  type Attribute,
  type AttributeTypeName,
  compareUtf8,
  floorToMs,
  NS_PER_MS,
  type ObjectRef,
  sameObjectRef,
} from '../../mal/index.js';

/** Attribute types whose values can be compared with each other. */
export type Family = 'number' | 'text' | 'time' | 'duration' | 'boolean' | 'blob' | 'objectRef';

const FAMILIES: Readonly<Record<AttributeTypeName, Family>> = {
  Blob: 'blob',
  Boolean: 'boolean',
  Duration: 'duration',
  Float: 'number',
  Double: 'number',
  Identifier: 'text',
  Octet: 'number',
  UOctet: 'number',
  Short: 'number',
  UShort: 'number',
  Integer: 'number',
  UInteger: 'number',
  Long: 'number',
  ULong: 'number',
  String: 'text',
  Time: 'time',
  FineTime: 'time',
  URI: 'text',
  ObjectRef: 'objectRef',
};

export const familyOf = (type: AttributeTypeName): Family => FAMILIES[type];

/** Whether a range over the type makes sense. */
export const isOrdered = (type: AttributeTypeName): boolean =>
  !['blob', 'boolean', 'objectRef'].includes(familyOf(type));

/**
 * Order of a product's value against a filter's, both of one ordered family: below, at or above 0. Numbers exactly, whatever
 * their types; text by UTF-8 bytes; times at the filter's resolution. NaN is in no order: the result is NaN.
 */
export function compareToFilter(value: Attribute, wanted: Attribute): number {
  switch (familyOf(wanted.type)) {
    case 'text':
      return compareUtf8(value.value as string, wanted.value as string);
    case 'time': {
      const limit = wanted.value as bigint;
      return order(isCoarse(wanted.type, limit) ? floorToMs(value.value as bigint) : (value.value as bigint), limit);
    }
    default:
      return order(value.value as number | bigint, wanted.value as number | bigint);
  }
}

/** Equality of a product's value and a filter's, both of one family; NaN equals itself. */
export function equalsFilter(value: Attribute, wanted: Attribute): boolean {
  switch (familyOf(wanted.type)) {
    case 'blob':
      return Buffer.compare(value.value as Uint8Array, wanted.value as Uint8Array) === 0;
    case 'objectRef':
      return sameObjectRef(value.value as ObjectRef, wanted.value as ObjectRef);
    case 'boolean':
      return value.value === wanted.value;
    default:
      return compareToFilter(value, wanted) === 0 || (Number.isNaN(value.value) && Number.isNaN(wanted.value));
  }
}

/** A Time in whole milliseconds, which is all that MAL carries, stands for its whole millisecond. */
const isCoarse = (type: AttributeTypeName, ns: bigint): boolean => type === 'Time' && ns % NS_PER_MS === 0n;

/** JavaScript compares number with bigint by exact value. */
function order(a: number | bigint, b: number | bigint): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : 0;
}
