import type { Entry } from '../../../src/gateway/backend.js';

/** `"text"` or another value of an attribute, or `absent`. */
export function formatAttribute(entry: Entry | undefined, name: string): string {
  const value = entry?.metadata.attributes?.find((attribute) => attribute.name === name)?.value;
  return value ? JSON.stringify(value.value) : 'absent';
}
