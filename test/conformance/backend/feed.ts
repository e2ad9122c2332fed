import type { Backend, Change, Entry } from '../../../src/gateway/backend.js';
import { keyOf } from './reading.js';

export interface Feed {
  readonly cursor: string;
  next(kind: 'new' | 'updated' | 'touched', key: string): Promise<Extract<Change, { entry: Entry }>>;
  /** Everything up to the change looked for. */
  until(kind: Change['kind'], key: string): Promise<readonly Change[]>;
  removed(key: string): Promise<void>;
}

export async function follow(backend: Backend, patience: number, from: string | null = null): Promise<Feed> {
  const control = new AbortController();
  let cursor = from ?? (await backend.follow({ cursor: null, interest: null }, { signal: control.signal })).cursor;
  const until = async (kind: Change['kind'], key: string): Promise<readonly Change[]> => {
    const seen: Change[] = [];
    const end = performance.now() + patience;
    while (!seen.some((change) => change.kind === kind && changeKey(change) === key)) {
      if (performance.now() > end) {
        const told = seen.map((change) => `${change.kind} ${changeKey(change)}`).join(', ');
        throw new Error(`"${kind}" of ${key} was not told within ${patience} ms; told: ${told || 'nothing'}`);
      }
      const result = await backend.follow({ cursor, interest: null }, { signal: control.signal });
      cursor = result.cursor;
      seen.push(...result.changes);
    }
    return seen;
  };
  return {
    get cursor() {
      return cursor;
    },
    until,
    async next(kind, key) {
      const found = (await until(kind, key)).find((change) => change.kind === kind && changeKey(change) === key);
      return found as Extract<Change, { entry: Entry }>;
    },
    removed: async (key) => void (await until('removed', key)),
  };
}

export const changeKey = (change: Change): string => (change.kind === 'removed' ? change.ref.key : keyOf(change.entry));
