import { type ListedShape, parseReferencePath, type Value } from '../../../client/http/wire/index.js';
import type { Entry } from '../../../gateway/backend.js';
import type { ObjectRef } from '../../../mal/index.js';
import { invalid } from '../../../mpd/index.js';
import { countParam, idParam, textParam } from '../query/params.js';
import type { Call, Param } from '../route.js';

export const API = '/api/v1';

export const orderID = idParam('Id of the order.');
export const cursorParam = textParam('`next` of the page before.');
export const limitParam = countParam('Entries of a page; the gateway may return fewer.');

/** `{domain}/{version}/{key…}`, percent-encoded. */
export const refParam: Param<ObjectRef> = {
  schema: { type: 'string' },
  doc:
    'Reference of the product: `{domain}/{version}/{key}`. Domain parts are joined by `.`; the slashes of the key stay, every other ' +
    'sign is percent-encoded as usual. The links of a listing hold it ready made.',
  example: 'local/1/passes/2026-11-23.pkt',
  parse(text, field) {
    const ref = parseReferencePath(text);
    if (ref === null) throw invalid(field, 'expected {domain}/{version}/{key}');
    return ref;
  },
};

/** What is asked for, at most what a page may hold. */
export const pageSize = (limit: number | null, { config }: Call): number => Math.min(limit ?? 100, config.limits.page);

/** A product as a listing shows it: with our links. */
export function listed(entry: Entry, { links, principal }: Call): Value<typeof ListedShape> {
  const { metadata, revision, updatedAt, path, fileName } = entry;
  return {
    metadata: links.withExternalUri(metadata, principal.id),
    revision,
    updatedAt,
    path,
    fileName,
    links: links.product(metadata.productRef),
  };
}
