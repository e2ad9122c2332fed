import { textParam } from '../query/params.js';
import { type Media, type Route, stream } from '../route.js';
import { type ChecksumOf, sendBody } from '../send/body.js';
import { API, refParam } from './common.js';

const bytes: Media = {
  type: 'application/octet-stream',
  schema: { type: 'string', format: 'binary' },
  doc: "The bytes, with the product's own media type. `ETag` stands for the content; `Repr-Digest` is there when the SHA-256 is known.",
};

/** Which of them a product has, its backend says. */
const FORMS: readonly Media[] = [
  {
    type: 'application/ccsds-space-packets',
    schema: { type: 'string', format: 'binary' },
    doc: 'Bare CCSDS space packets one behind another.',
  },
  {
    type: 'text/csv',
    schema: { type: 'string' },
    doc: 'Decoded fields, a line with their names first (RFC 4180).',
  },
  {
    type: 'application/x-ndjson',
    schema: { type: 'string' },
    doc: 'Decoded fields as JSON objects, one a line.',
  },
];

const also = {
  206: { doc: 'The part that Range asked for.', answers: null },
  304: { doc: 'Still the content of If-None-Match.', answers: null },
  406: { doc: 'The product has other forms, but none that Accept takes; the problem lists them.' },
  412: { doc: 'No longer the content of If-Match.' },
  416: { doc: 'Range lies outside; Content-Range tells the size.' },
};

const DOC =
  'One `Range`, `If-Range`, `If-Match`, `If-None-Match` and HEAD are understood. When the product changes or its source fails in the ' +
  'middle the connection is reset: what ends cleanly is whole. A product may be had in other forms, by `Accept`: such a form has an ' +
  'entity tag of its own, no length and no ranges.';

export const bodyRoutes = (checksums: ChecksumOf): readonly Route[] => [
  stream({
    method: 'get',
    path: `${API}/bodies/{ref+}`,
    id: 'getProductBody',
    tag: 'Products',
    summary: 'The bytes of a product',
    doc: DOC,
    params: { ref: refParam },
    query: { form: textParam('Form by its name, instead of `Accept`: for links.', 'csv') },
    errors: ['Invalid', 'Unknown'],
    streams: [bytes, ...FORMS],
    also,
    handle: (call, { params, query }) => sendBody(call, params.ref, checksums, query.form),
  }),
  stream({
    method: 'get',
    path: '/dl/{ref+}',
    id: 'followLink',
    tag: 'Products',
    summary: 'The bytes of a product by a signed link (externalURI), without a key',
    doc: DOC,
    access: 'open',
    params: { ref: refParam },
    query: {
      as: textParam('Principal the link was made for.', 'partner-a'),
      expires: textParam('Seconds since 1970.', '1795000000'),
      sig: textParam('Signature.', 'x'),
    },
    errors: ['Authorisation Fail', 'Unknown'],
    streams: [bytes, ...FORMS],
    also,
    async handle(call, { params, query }) {
      const path = call.req.originalUrl.replace(/[?#].*$/s, '').slice('/dl/'.length);
      const principal = await call.gateway.access.principal(call.links.verify(path, query));
      await call.admit(principal.id);
      await sendBody({ ...call, principal }, params.ref, checksums);
    },
  }),
];
