import { compileTree, decodeTree, type FilterTree } from '../../mpd/filter/index.js';
import type { Entry } from '../backend.js';

export type Sight = (entry: Pick<Entry, 'metadata' | 'path'>) => boolean;

/** The conjunction of filter trees as the store keeps them (JSON); null asks nothing. */
export function compileSight(...trees: readonly unknown[]): Sight {
  return sightOf(...trees.map((json) => (json === null ? null : decodeTree(json))));
}

/** The conjunction of filter trees; null asks nothing. */
export function sightOf(...trees: readonly (FilterTree | null)[]): Sight {
  const tests = trees.filter((tree) => tree !== null).map((tree) => compileTree(tree));
  return (entry) => tests.every((test) => test(entry.metadata, entry.path));
}

/** What is asked for and what the asker may see, as one tree for a backend to push down. */
export function conjunction(...trees: readonly (FilterTree | null)[]): FilterTree | null {
  const asked = trees.filter((tree) => tree !== null);
  if (asked.length === 0) return null;
  return asked.length === 1 ? asked[0]! : { all: asked };
}
