import { convertResponse, type OutputForm, problemText } from '../../src/formats/edds-response/index.js';
import type { Body, Form } from '../../src/gateway/backend.js';
import type { ProductMapper } from '../../src/mapping/index.js';
import { fieldsOf } from './entry.js';
import { OUTPUT_FORMS, type SiteProfile } from './site.js';

const FORMS: Readonly<Record<OutputForm, Omit<Form, 'name' | 'productTypes'>>> = {
  packets: {
    mediaType: 'application/ccsds-space-packets',
    suffix: '.bin',
    replaces: '.xml',
    description: 'Bare CCSDS space packets one behind another, without the headers of the control system.',
  },
  csv: {
    mediaType: 'text/csv',
    suffix: '.csv',
    replaces: '.xml',
    description: 'The decoded fields as CSV (RFC 4180), a line with their names first.',
  },
  ndjson: {
    mediaType: 'application/x-ndjson',
    suffix: '.ndjson',
    replaces: '.xml',
    description: 'The decoded fields as JSON objects, one a line, with the parameters of commands.',
  },
};

/** Forms in which response files may be had, by the product types of the data types that the profile gives them. */
export function formsOnOffer(profile: SiteProfile, mapper: ProductMapper): readonly Form[] {
  return OUTPUT_FORMS.flatMap((name) => {
    const productTypes = Object.entries(profile.types).flatMap(([dataType, rule]) => {
      if (!rule.forms.includes(name) || rule.content !== 'response') return [];
      const record = { 'record.dataType': dataType };
      return mapper.describe(fieldsOf({ kind: 'selection', record }))?.productType ?? [];
    });
    return productTypes.length === 0 ? [] : [{ name, ...FORMS[name], productTypes: [...new Set(productTypes)] }];
  });
}

/** A response file in another form; what of it cannot be read is left out and told after the end. */
export function inForm(form: OutputForm, stream: AsyncIterable<Uint8Array>): Pick<Body, 'stream' | 'fault'> {
  let count = 0;
  let first: string | null = null;
  const converted = convertResponse(form, stream, (problem) => {
    count++;
    first ??= problemText(problem);
  });
  return { stream: converted, fault: () => faultText(count, first) };
}

/** Null when there is none. */
export const faultText = (count: number, first: string | null): string | null =>
  first === null ? null : `the response has ${count} ${count === 1 ? 'fault' : 'faults'}, the first: ${first}`;
