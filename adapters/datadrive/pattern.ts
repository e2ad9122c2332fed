/** A pattern without any syntax but its anchors: the text it looks for. */
export interface PlainPattern {
  readonly text: string;
  readonly fromStart: boolean;
  readonly toEnd: boolean;
}

const SYNTAX = new Set('\\^$.|?*+()[]{}');

/** Reads a `StringPattern` (RE2, which searches) that is plain text, escaped or not, between its anchors; null for any other. */
export function plainPattern(regex: string): PlainPattern | null {
  const fromStart = regex.startsWith('^');
  const points = [...regex].slice(fromStart ? 1 : 0);
  let text = '';
  for (let i = 0; i < points.length; i++) {
    const point = points[i]!;
    if (point === '$' && i === points.length - 1 && text !== '') return { text, fromStart, toEnd: true };
    if (point === '\\') {
      const escaped = points[++i];
      if (escaped === undefined || !SYNTAX.has(escaped)) return null;
      text += escaped;
    } else if (SYNTAX.has(point)) return null;
    else text += point;
  }
  return text === '' ? null : { text, fromStart, toEnd: false };
}
