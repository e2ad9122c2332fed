import type { Context } from '../context.js';
import { type Column, harmless, tableLines } from './table.js';
import { write } from './write.js';

type Json = unknown;

/** How items leave a command: a table on a terminal, JSON (one item a line) in a pipe or with `--json`. */
export interface Output {
  readonly json: boolean;
  /** Many items; `encode` gives the JSON form. Returns how many there were. */
  list<T>(
    items: AsyncIterable<T> | Iterable<T>,
    columns: readonly Column<T>[],
    encode: (item: T) => Json,
    none?: string,
  ): Promise<number>;
  /** One item: `name  value` lines, or its JSON. */
  one<T>(item: T, fields: readonly Column<T>[], encode: (item: T) => Json): Promise<void>;
  /** A line for people; not written with JSON. */
  say(text: string): Promise<void>;
  /** A line for people on standard error. */
  note(text: string): Promise<void>;
  /** A JSON value as it is; not written as text. */
  value(json: Json): Promise<void>;
}

export function createOutput(context: Context, options: { readonly json?: boolean }): Output {
  const { stdout, stderr } = context;
  const json = options.json ?? stdout.isTTY !== true;
  const line = (text: string): Promise<void> => write(stdout, `${text}\n`);
  return {
    json,
    async list(items, columns, encode, none = 'none') {
      let count = 0;
      if (json) {
        for await (const item of items) {
          await line(JSON.stringify(encode(item)));
          count++;
        }
        return count;
      }
      for await (const text of tableLines(items, columns)) {
        await line(text);
        count++;
      }
      if (count === 0) await write(stderr, `${none}\n`);
      return Math.max(0, count - 1);
    },
    async one(item, fields, encode) {
      if (json) return line(JSON.stringify(encode(item), null, stdout.isTTY === true ? 2 : undefined));
      const rows = fields
        .map(({ head, text }) => [head, text(item)] as const)
        .filter(([, value]) => value !== null && value !== undefined && value !== '');
      const widest = Math.max(0, ...rows.map(([head]) => head.length));
      for (const [head, value] of rows) await line(`${head.padEnd(widest)}  ${harmless(String(value))}`);
    },
    say: (text) => (json ? Promise.resolve() : line(text)),
    note: (text) => write(stderr, `${text}\n`),
    value: (value) => line(JSON.stringify(value, null, stdout.isTTY === true ? 2 : undefined)),
  };
}
