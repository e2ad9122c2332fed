import { invalid } from '../../../mpd/index.js';

/** NUL, which no database text holds, and halves of characters, which UTF-8 cannot write. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;

/** @throws MpdError Invalid naming the first text (or key) that could not be kept as it is */
export function checkText(value: unknown, field: string): void {
  if (typeof value === 'string') {
    if (UNSTORABLE.test(value)) throw invalid(field || 'body', 'holds a NUL or half a character');
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) checkText(item, `${field}[${i}]`);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      checkText(name, field);
      checkText(item, field === '' ? name : `${field}.${name}`);
    }
  }
}
