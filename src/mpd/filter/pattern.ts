import { RE2JS } from 're2js';
import { invalid } from '../errors.js';
import type { FilterLimits } from './limits.js';

/**
 * Compiles an RE2 expression into a search; its time is linear in the text.
 * @throws MpdError Invalid, naming the field, when it is no RE2 expression or too long
 */
export function compilePattern(regex: string, field: string, limits: FilterLimits): (text: string) => boolean {
  if (regex.length > limits.pattern) throw invalid(field, `the pattern is longer than ${limits.pattern} characters`);
  try {
    const compiled = RE2JS.compile(regex);
    return (text) => compiled.matcher(text).find();
  } catch (error) {
    throw invalid(field, `not a regular expression (RE2): ${(error as Error).message}`, error);
  }
}

const META = new Set('\\^$.[]|()?*+{}');

/**
 * The literal text that every match begins with, at the start of the value: `^abc[0-9]` gives `abc`. Null when the pattern is not
 * anchored there or no such text can be told; used to narrow a search, so it may be shorter than possible but never wrong.
 */
export function literalPrefix(regex: string): string | null {
  if (!regex.startsWith('^') || regex.includes('|')) return null;
  const text: string[] = [];
  const points = [...regex].slice(1);
  for (let i = 0; i < points.length; i++) {
    let point = points[i]!;
    if (point === '\\') {
      const escaped = points[i + 1];
      if (escaped === undefined || /[A-Za-z0-9_]/.test(escaped) || escaped.codePointAt(0)! > 0x7f) break;
      point = escaped;
      i++;
    } else if (META.has(point)) {
      break;
    }
    const next = points[i + 1];
    if (next === '*' || next === '?' || next === '{') break;
    text.push(point);
    if (next === '+') break;
  }
  return text.length === 0 ? null : text.join('');
}
