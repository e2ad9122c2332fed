import { type FilterTree, filterBounds } from '../mpd/filter/index.js';
import { invalid } from '../mpd/index.js';
import type { Backend, Entry, Form } from './backend.js';
import { backendsFor } from './catalogue/merge.js';

/** Forms in which a product may be had instead of as it came. */
export const formsOf = (backend: Pick<Backend, 'forms'> | undefined, entry: Pick<Entry, 'metadata'>): readonly Form[] =>
  backend?.forms?.filter(({ productTypes }) => productTypes.includes(entry.metadata.productType.name)) ?? [];

/** Forms of what a filter may accept, each once. */
export function formsFor(backends: readonly Backend[], tree: FilterTree | null): readonly Form[] {
  const { productTypes } = filterBounds(tree);
  const forms = new Map<string, Form>();
  for (const backend of backendsFor(backends, tree))
    for (const form of backend.forms ?? [])
      if (productTypes === null || form.productTypes.some((type) => productTypes.includes(type)))
        if (!forms.has(form.name)) forms.set(form.name, form);
  return [...forms.values()];
}

/** The form of that name. @throws MpdError Invalid naming the field, with the forms on offer */
export function requireForm(name: string, forms: readonly Form[], field: string): Form {
  const form = forms.find((one) => one.name === name);
  if (form !== undefined) return form;
  const offered = forms.map((one) => one.name).join(', ');
  throw invalid(
    field,
    `there is no form ${JSON.stringify(name)}; ${offered === '' ? 'these products are given as they came only' : `on offer: ${offered}`}`,
  );
}

/** Name of a file in that form: its ending in place of the one of what came, else behind it. */
export function formFileName(name: string, { suffix, replaces }: Form): string {
  const stem = replaces !== undefined && name.endsWith(replaces) ? name.slice(0, -replaces.length) : name;
  return `${stem}${suffix}`;
}
