import { type RawBuilder, sql } from 'kysely';

/** What one column of a {@link recordset} holds; `bytea` in its text form, `jsonb` as JSON text. */
export type Cell = string | number | bigint | boolean | null;

export interface RecordColumn<Row> {
  readonly name: string;
  readonly type: 'text' | 'bigint' | 'integer' | 'boolean' | 'bytea' | 'jsonb';
  readonly of: (row: Row) => Cell;
}

/** Stands between JSON texts, in which it cannot occur: JSON escapes control characters. */
const BETWEEN = '\u0001';

/**
 * Rows as a table that a statement reads from: `(select … ) as name`, with `n` counting from 1 in the order given. One array a
 * column, which costs the server about half of `jsonb_to_recordset`; a column that is the same in all rows is one value.
 */
export function recordset<Row>(
  rows: readonly Row[],
  columns: readonly RecordColumn<Row>[],
  name: string,
): RawBuilder<unknown> {
  const outer: RawBuilder<unknown>[] = [];
  const arrays: RawBuilder<unknown>[] = [];
  const names: RawBuilder<unknown>[] = [];
  for (const column of columns) {
    const cells = rows.map(column.of);
    const type = sql.raw(column.type);
    const as = sql.ref(column.name);
    const [first] = cells;
    if (cells.every((cell) => cell === first)) {
      outer.push(sql`${textOf(first)}::${type} as ${as}`);
      continue;
    }
    names.push(as);
    if (column.type === 'jsonb') {
      arrays.push(sql`string_to_array(${cells.map((cell) => cell ?? '').join(BETWEEN)}, ${BETWEEN}, '')`);
      outer.push(sql`u.${as}::jsonb as ${as}`);
    } else {
      arrays.push(sql`${arrayText(cells)}::${type}[]`);
      outer.push(sql`u.${as}`);
    }
  }
  const from =
    arrays.length === 0
      ? sql`generate_series(1, ${rows.length}::integer) as u(n)`
      : sql`unnest(${sql.join(arrays)}) with ordinality as u(${sql.join([...names, sql.ref('n')])})`;
  return sql`(select u.n, ${sql.join(outer)} from ${from}) as ${sql.ref(name)}`;
}

const textOf = (cell: Cell | undefined): string | null => (cell == null ? null : String(cell));

/** The text form of a one-dimensional array. */
export function arrayText(cells: readonly Cell[]): string {
  let text = '{';
  for (let i = 0; i < cells.length; i++) {
    if (i > 0) text += ',';
    const cell = cells[i]!;
    if (cell === null) text += 'NULL';
    else if (typeof cell !== 'string') text += String(cell);
    else text += `"${SPECIAL.test(cell) ? cell.replace(/["\\]/g, '\\$&') : cell}"`;
  }
  return `${text}}`;
}

const SPECIAL = /["\\]/;
