import type { Examined } from '../../../src/gateway/examine.js';

export const good = (part: string, found: string): Examined => ({ part, state: 'ok', found, todo: null });
export const warning = (part: string, found: string, todo: string): Examined => ({
  part,
  state: 'warning',
  found,
  todo,
});
export const bad = (part: string, found: string, todo: string): Examined => ({ part, state: 'bad', found, todo });
export const messageOf = (error: unknown): string => (error as Error).message;
/** The first of many names. */
export const listed = (names: readonly string[], most = 12): string =>
  names.length > most ? `${names.slice(0, most).join(', ')} and ${names.length - most} more` : names.join(', ');
