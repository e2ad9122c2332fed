/** String | number, true, false, null | sign, after blanks, as RFC 8259 has them. */
const TOKEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON text must not hold them
  /[ \t\n\r]*(?:("[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])|([{}[\],:]))/y;
const BLANK = /[ \t\n\r]*/y;

type Expect = 'value' | 'first' | 'key' | 'firstKey' | 'colon' | 'next';

/** Offset of the first sign that cannot continue a JSON text; its length when it merely stops too early; null when it is JSON. */
export function jsonFaultAt(text: string): number | null {
  const open: ('{' | '[')[] = [];
  let expect: Expect = 'value';
  let at = 0;
  for (;;) {
    BLANK.lastIndex = at;
    const start = at + BLANK.exec(text)![0].length;
    if (start >= text.length) return open.length === 0 && expect === 'next' ? null : text.length;
    if (open.length === 0 && expect === 'next') return start;
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) return start;
    at = TOKEN.lastIndex;
    const [, string, scalar, sign] = match;
    const wantsValue = expect === 'value' || expect === 'first';
    if (scalar !== undefined || (string !== undefined && wantsValue)) {
      if (!wantsValue) return start;
      expect = 'next';
    } else if (string !== undefined) {
      if (expect !== 'key' && expect !== 'firstKey') return start;
      expect = 'colon';
    } else if (sign === '{' || sign === '[') {
      if (!wantsValue) return start;
      open.push(sign);
      expect = sign === '{' ? 'firstKey' : 'first';
    } else if (sign === '}' || sign === ']') {
      const mine = sign === '}' ? '{' : '[';
      const empty = sign === '}' ? 'firstKey' : 'first';
      if (open.at(-1) !== mine || (expect !== 'next' && expect !== empty)) return start;
      open.pop();
      expect = 'next';
    } else if (sign === ':') {
      if (expect !== 'colon') return start;
      expect = 'value';
    } else {
      if (expect !== 'next') return start;
      expect = open.at(-1) === '{' ? 'key' : 'value';
    }
  }
}
