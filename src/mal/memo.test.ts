import { expect, it } from 'vitest';
import { memo } from './memo.js';

it('makes once what it remembers, null too, and never holds more than it may', () => {
  const made: string[] = [];
  const upper = memo(2, (key: string) => {
    made.push(key);
    return key === '' ? null : key.toUpperCase();
  });
  expect(['a', '', 'a', ''].map(upper)).toEqual(['A', null, 'A', null]);
  expect(made).toEqual(['a', '']);
  expect(['b', 'a', 'b'].map(upper)).toEqual(['B', 'A', 'B']);
  expect(made).toEqual(['a', '', 'b', 'a']);
});
