import { floorToMs, NS_PER_MS } from '../../src/mal/index.js';
import type { TimeWindow } from '../../src/mpd/index.js';
import type { ProductRow } from './entry.js';
import type { Neutral } from './service.js';
import { SELECTION_FIELDS, type SiteProfile, type TypeRule } from './site.js';

export function ruleOf(profile: SiteProfile, row: ProductRow): { readonly name: string; readonly rule: TypeRule } {
  const name = String(row.record['record.dataType']);
  return { name, rule: profile.types[name]! };
}

/** The filter that selects what the catalogue entry describes. */
export function filterOf(rule: TypeRule, row: ProductRow): Neutral {
  const filter: Record<string, readonly (string | number)[]> = {};
  for (const name of SELECTION_FIELDS) {
    const field = rule.select[name];
    const value = field === undefined ? undefined : row.record[`record.${field}`];
    if (value !== undefined)
      filter[name] = [
        /^\d+$/.test(String(value)) && name !== 'parameterName' && name !== 'commandName' ? Number(value) : value,
      ];
  }
  return filter;
}

/** The window of a virtual product as a request: both ends included here, [begin, end) there, in milliseconds. */
export function windowOf({ start, end }: TimeWindow): { readonly begin: bigint; readonly end: bigint } {
  return { begin: floorToMs(start), end: floorToMs(end) + NS_PER_MS };
}
