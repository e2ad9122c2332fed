import { invalid, type MpdError } from '../errors.js';

/** How big a filter may be, counted over the whole tree after named filters are put in. */
export interface FilterLimits {
  /** Nested all, any, not and named filters. */
  readonly depth: number;
  /** Tree nodes and attribute filters. */
  readonly nodes: number;
  /** Entries of lists: domain parts, sources, values, types. */
  readonly terms: number;
  /** UTF-16 units of all text and bytes of all blobs together. */
  readonly text: number;
  /** UTF-16 units of one regular expression. */
  readonly pattern: number;
}

export const FILTER_LIMITS: FilterLimits = { depth: 32, nodes: 2000, terms: 20_000, text: 1_048_576, pattern: 8192 };

/** Counts what a filter holds; every method throws {@link MpdError} Invalid, naming the field, once a limit is passed. */
export interface Meter {
  readonly limits: FilterLimits;
  node(field: string): void;
  depth(depth: number, field: string): void;
  /** @param size UTF-16 units or bytes */
  term(size: number, field: string): void;
  text(size: number, field: string): void;
}

export function createMeter(limits: FilterLimits = FILTER_LIMITS): Meter {
  const used = { nodes: 0, terms: 0, text: 0 };
  const add = (what: keyof typeof used, amount: number, field: string): void => {
    used[what] += amount;
    if (used[what] > limits[what]) throw tooBig(field, what, limits[what]);
  };
  return {
    limits,
    node: (field) => add('nodes', 1, field),
    depth(depth, field) {
      if (depth > limits.depth) throw tooBig(field, 'levels', limits.depth);
    },
    term(size, field) {
      add('terms', 1, field);
      add('text', size, field);
    },
    text: (size, field) => add('text', size, field),
  };
}

function tooBig(field: string, what: string, limit: number): MpdError {
  const unit = { nodes: 'conditions', terms: 'list entries', text: 'characters', levels: 'levels' }[what];
  return invalid(field, `the filter is too big: more than ${limit} ${unit}`);
}
