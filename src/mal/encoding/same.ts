/**
 * Whether two values are written alike: equal in structure, -0 told from 0. May say no where null and an absent field meet, never
 * yes for values that differ.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && sameItems(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  return !Array.isArray(b) && !(b instanceof Uint8Array) && sameFields(a as Fields, b as Fields);
}

type Fields = Readonly<Record<string, unknown>>;

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!sameValue(a[i], b[i])) return false;
  return true;
}

function sameFields(a: Fields, b: Fields): boolean {
  let left = 0;
  for (const name in a) {
    const value = a[name];
    if (value === undefined || !sameValue(value, b[name])) return false;
    left++;
  }
  for (const _ in b) left--;
  return left === 0;
}
