/** A column of a table: its head and the text of an item. */
export interface Column<T> {
  readonly head: string;
  readonly text: (item: T) => string | number | bigint | null | undefined;
  readonly align?: 'right';
}

/** Rows measured together; later ones keep the widths of the first. */
export const MEASURED = 200;

/** What a terminal would obey must not come from a product's name. */
const CONTROL = /\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu;

/** Text without anything a terminal would obey. */
export const harmless = (text: string): string =>
  text.replace(CONTROL, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}`);

export const cellText = (value: string | number | bigint | null | undefined): string =>
  value === null || value === undefined || value === '' ? '-' : harmless(String(value));

/** Lines of a table; head first. The last column is never padded. */
export async function* tableLines<T>(
  items: AsyncIterable<T> | Iterable<T>,
  columns: readonly Column<T>[],
): AsyncGenerator<string> {
  let buffered: string[][] | null = [];
  let widths: readonly number[] = [];
  const measure = (rows: readonly string[][]): readonly number[] =>
    columns.map((column, index) => Math.max(width(column.head), ...rows.map((row) => width(row[index]!))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) =>
        pad(
          cell,
          index === cells.length - 1 && columns[index]!.align !== 'right' ? 0 : widths[index]!,
          columns[index]!.align,
        ),
      )
      .join('  ');
  const flush = function* (rows: readonly string[][]): Generator<string> {
    widths = measure(rows);
    yield line(columns.map(({ head }) => head));
    for (const row of rows) yield line(row);
  };
  for await (const item of items) {
    const row = columns.map(({ text }) => cellText(text(item)));
    if (buffered === null) yield line(row);
    else if (buffered.push(row) === MEASURED) {
      yield* flush(buffered);
      buffered = null;
    }
  }
  if (buffered !== null && buffered.length > 0) yield* flush(buffered);
}

function pad(text: string, to: number, align?: 'right'): string {
  const gap = ' '.repeat(Math.max(0, to - width(text)));
  return align === 'right' ? gap + text : text + gap;
}

/** Columns on a terminal: CJK and emoji take two. */
export function width(text: string): number {
  let columns = 0;
  for (const sign of text)
    columns += /\p{Mn}/u.test(sign)
      ? 0
      : /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
            sign,
          )
        ? 2
        : 1;
  return columns;
}
