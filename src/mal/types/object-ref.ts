import { compareUtf8 } from './text.js';

/** Reference to an MO Object (MAL attribute 19). */
export interface ObjectRef {
  readonly domain: readonly string[];
  /** Name of the object's type; a type that is in no known area is `0x` and its 16 hex digits. */
  readonly type: string;
  readonly key: string;
  /** UInteger. */
  readonly version: number;
}

export const sameDomain = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((part, i) => part === b[i]);

export const sameObjectRef = (a: ObjectRef, b: ObjectRef): boolean =>
  a.key === b.key && a.version === b.version && a.type === b.type && sameDomain(a.domain, b.domain);

/** Element by element in UTF-8 byte order; a domain comes before those below it. */
export function compareDomains(a: readonly string[], b: readonly string[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = compareUtf8(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** By domain, type, key (all in UTF-8 byte order), then version. */
export function compareObjectRefs(a: ObjectRef, b: ObjectRef): number {
  return (
    compareDomains(a.domain, b.domain) ||
    compareUtf8(a.type, b.type) ||
    compareUtf8(a.key, b.key) ||
    a.version - b.version
  );
}

/** A text that is equal exactly when the references are; for use as a map key. */
export const objectRefId = (ref: ObjectRef): string => JSON.stringify([ref.domain, ref.type, ref.key, ref.version]);

/** For people: `esa.solo:key:1`. */
export const formatObjectRef = (ref: ObjectRef): string => `${ref.domain.join('.')}:${ref.key}:${ref.version}`;
