import { etagOf } from '../../../client/http/wire/index.js';
import type { Body, Checksum, Entry, Form } from '../../../gateway/backend.js';
import { formFileName, requireForm } from '../../../gateway/forms.js';
import type { ObjectRef } from '../../../mal/index.js';
import { MpdError, unknown } from '../../../mpd/index.js';
import { HttpFault } from '../fault.js';
import type { Call } from '../route.js';
import { contentDisposition } from './disposition.js';
import { chooseForm } from './form.js';
import { matchesEtag, parseRange } from './range.js';
import { write } from './writer.js';

/**
 * Sends the bytes of a product (RFC 9110: Range, If-Range, If-Match, If-None-Match, HEAD). Once the first byte is out, any fault ends
 * in a reset connection: a transfer never ends cleanly short or with other content.
 */
export async function sendBody(
  call: Call,
  ref: ObjectRef,
  checksums: ChecksumOf,
  wantedForm: string | null = null,
): Promise<void> {
  const { req, res, gateway, principal, signal } = call;
  const [entry] = await gateway.catalogue.get([ref], principal, signal);
  if (entry === undefined) throw unknown([0], 'there is no such product');
  const own = mediaType(entry.metadata.fileMetadata?.mime ?? entry.mediaType);
  const forms = gateway.catalogue.forms(entry);
  const form =
    wantedForm === null ? chooseForm(req.headers.accept, own, forms) : requireForm(wantedForm, forms, 'form');
  const etag = etagOf(entry.revision, form?.name);
  const size =
    form !== null || entry.metadata.fileMetadata === null ? null : Number(entry.metadata.fileMetadata.fileSize);
  const name = fileNameOf(entry);
  const headers: Record<string, string> = {
    ETag: etag,
    'Accept-Ranges': form === null ? 'bytes' : 'none',
    'Cache-Control': 'private, no-cache',
    'Content-Disposition': contentDisposition(form === null ? name : formFileName(name, form)),
    'Content-Type': form?.mediaType ?? own,
    'Content-Security-Policy': "sandbox; default-src 'none'",
    ...(forms.length > 0 && { Vary: 'Accept' }),
    ...(form === null && digestHeader(entry, checksums)),
  };
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch, 'if-range': ifRange, range } = req.headers;
  if (ifMatch !== undefined && !matchesEtag(ifMatch, etag, 'strong')) {
    throw new HttpFault(412, 'Unknown', { message: 'the product has other content now' }, { ETag: etag });
  }
  if (ifNoneMatch !== undefined && matchesEtag(ifNoneMatch, etag, 'weak')) {
    res.writeHead(304, { ETag: etag, 'Cache-Control': headers['Cache-Control']! }).end();
    return;
  }
  if (req.method === 'HEAD') {
    res.writeHead(200, { ...headers, ...(size === null ? {} : { 'Content-Length': size }) }).end();
    return;
  }
  const wanted = form === null && (ifRange === undefined || ifRange === etag) ? range : undefined;
  const part = parseRange(wanted, size);
  if (part.kind === 'outside') throw outside(size);
  // Products that are made on demand may take minutes.
  call.unbounded();
  const source = await openAt(call, ref, entry, part.kind === 'part' ? part.start : 0, form);
  const iterator = source.body.stream[Symbol.asyncIterator]();
  try {
    const whole = form === null ? (source.body.size ?? size) : null;
    const range = source.offset === 0 && whole === null ? { kind: 'all' as const } : parseRange(wanted, whole);
    if (range.kind === 'outside') throw outside(whole);
    const last = range.kind === 'part' ? range.end : whole === null ? null : whole - 1;
    const length = last === null ? null : last - source.offset + 1;
    if (range.kind === 'part') headers['Content-Range'] = `bytes ${source.offset}-${last}/${whole}`;
    if (length !== null) headers['Content-Length'] = String(length);
    res.writeHead(range.kind === 'part' ? 206 : 200, headers);
    await pump(call, iterator, length, source.body.release);
  } finally {
    await iterator.return?.();
  }
  res.end();
}

/** Opens the body; where nobody knows its size no part can be named in an answer, so the whole is opened. */
async function openAt(
  { gateway, principal, signal }: Call,
  ref: ObjectRef,
  entry: Entry,
  offset: number,
  form: Form | null,
): Promise<{ readonly body: Body; readonly offset: number }> {
  const options = {
    revision: entry.revision,
    signal,
    entry,
    releases: true,
    ...(form !== null && { form: form.name }),
  };
  const { body } = await gateway.catalogue.open(ref, { ...options, offset }, principal);
  if (offset === 0 || body.size !== null || entry.metadata.fileMetadata !== null) return { body, offset };
  await body.stream[Symbol.asyncIterator]().return?.();
  return { body: (await gateway.catalogue.open(ref, { ...options, offset: 0 }, principal)).body, offset: 0 };
}

async function pump(
  call: Call,
  iterator: AsyncIterator<Uint8Array>,
  length: number | null,
  release: Body['release'],
): Promise<void> {
  const { res, signal, config } = call;
  const options = { signal, stallMs: config.limits.stallMs };
  let left = length ?? Number.POSITIVE_INFINITY;
  while (left > 0) {
    const next = await iterator.next();
    if (next.done === true) break;
    const { value } = next;
    const chunk = value.byteLength > left ? value.subarray(0, left) : value;
    left -= chunk.byteLength;
    await write(res, chunk, options, release && (() => release(value)));
  }
  if (length !== null && left > 0) {
    throw new MpdError('Internal', { class: 'fatal', message: `the body ended ${left} bytes early` });
  }
}

/** Which algorithm `ProductMetadata.checksum` has in a domain; null = unknown. */
export type ChecksumOf = (domain: readonly string[]) => Checksum['algorithm'] | null;

function digestHeader(entry: Entry, checksums: ChecksumOf): Record<string, string> {
  const { checksum, productRef } = entry.metadata;
  const algorithm = checksums(productRef.domain);
  const value =
    (algorithm === 'sha-256' || algorithm === 'sha-512') && checksum !== null ? { algorithm, value: checksum } : null;
  return value === null ? {} : { 'Repr-Digest': `${value.algorithm}=:${Buffer.from(value.value).toString('base64')}:` };
}

const mediaType = (mime = ''): string =>
  /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:;[\x20-\x7e]*)?$/.test(mime) ? mime : 'application/octet-stream';

const fileNameOf = (entry: Entry): string =>
  (entry.fileName ?? entry.metadata.productRef.key).split('/').at(-1) || 'product';

const outside = (size: number | null): HttpFault =>
  new HttpFault(
    416,
    'Invalid',
    { message: `Range: outside the product's ${size ?? 'unknown number of'} bytes`, field: 'Range' },
    { 'Content-Range': `bytes */${size ?? '*'}` },
  );
