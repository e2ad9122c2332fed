/** Events of a multipart/related body as it streams in. */
export type MultipartEvent =
  | { readonly kind: 'part'; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'data'; readonly data: Uint8Array };

const MAX_HEADERS = 16 * 1024;

/**
 * Cuts a MIME multipart body (RFC 2046) into parts; holds no more than a boundary's length of a part's data.
 * Error when the closing boundary is missing or the headers of a part are too long.
 */
export async function* readMultipart(
  source: AsyncIterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<MultipartEvent> {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  // The first boundary has no line before it.
  let held: Buffer = Buffer.from('\r\n');
  let state: 'preamble' | 'headers' | 'data' | 'end' = 'preamble';
  for await (const chunk of source) {
    held = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk]);
    for (let again = true; again && state !== 'end'; ) {
      again = false;
      if (state === 'headers') {
        const end = held.indexOf('\r\n\r\n');
        if (end < 0) {
          if (held.length > MAX_HEADERS) throw new Error('the headers of an attachment are too long');
          break;
        }
        yield { kind: 'part', headers: headersOf(held.subarray(0, end).toString('utf8')) };
        held = held.subarray(end + 4);
        state = 'data';
      }
      const at = held.indexOf(delimiter);
      const after = at + delimiter.length;
      if (at >= 0 && held.length >= after + 2) {
        if (state === 'data' && at > 0) yield { kind: 'data', data: held.subarray(0, at) };
        state = held.subarray(after, after + 2).toString('latin1') === '--' ? 'end' : 'headers';
        // Of the line break before the headers one half is kept, so that headers may be absent.
        held = held.subarray(after);
        again = true;
      } else if (at < 0 && held.length > delimiter.length) {
        const safe = held.length - delimiter.length;
        if (state === 'data') yield { kind: 'data', data: held.subarray(0, safe) };
        held = held.subarray(safe);
      }
    }
    if (state === 'end') held = Buffer.alloc(0);
  }
  if (state !== 'end') throw new Error('the attachments of the answer are cut off');
}

function headersOf(text: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  return headers;
}

/** A parameter of a header value, with or without quotes; null when absent. */
export function parameterOf(header: string, name: string): string | null {
  const match = new RegExp(`;\\s*${name}\\s*=\\s*(?:"([^"]*)"|([^;\\s]*))`, 'i').exec(header);
  return match === null ? null : (match[1] ?? match[2] ?? null);
}
