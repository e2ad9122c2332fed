import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { responseFileFields } from './contract.js';
import { contentType, envelopeParts } from './envelope.js';
import { type Shape, wireName } from './shape.js';
import type { PartRecord } from './state.js';
import { type Values, writeFields } from './values.js';

export interface StreamedAnswer {
  readonly contentType: string;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** The answer of getResponse: the content comes straight from its file, as base64, as an attachment (XOP) or as it is. */
export function partAnswer(
  shape: Shape,
  values: Values,
  part: PartRecord,
  path: string,
  limit = Number.POSITIVE_INFINITY,
): StreamedAnswer {
  const { head, tail } = envelopeParts(shape);
  const prefix = shape.qualified ? 'e:' : '';
  const response = prefix + wireName(shape, 'response');
  const content = prefix + wireName(shape, 'Content');
  const wrapper = `e:${shape.operations.getResponse}Response`;
  const before = `${head}<${wrapper} xmlns:e="${shape.namespace}"><${response}>${writeFields(shape, values, responseFileFields(shape))}<${content}>`;
  const after = `</${content}></${response}></${wrapper}>${tail}`;
  if (shape.content === 'mtom') return attached(shape, before, after, path, limit);
  const inline = shape.content === 'inline' && part.contentType === 'text/xml';
  return {
    contentType: contentType(shape),
    chunks: around(before, inline ? withoutDeclaration(path, limit) : base64(path, limit), after),
  };
}

function attached(shape: Shape, before: string, after: string, path: string, limit: number): StreamedAnswer {
  const boundary = `uuid:${randomUUID()}`;
  const type = shape.soap === '1.1' ? 'text/xml' : 'application/soap+xml';
  const root =
    `--${boundary}\r\nContent-Type: application/xop+xml; charset=UTF-8; type="${type}"\r\n` +
    `Content-Transfer-Encoding: binary\r\nContent-ID: <root@edds-sim>\r\n\r\n${before}` +
    `<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:content%40edds-sim"/>${after}` +
    `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n` +
    `Content-ID: <content@edds-sim>\r\n\r\n`;
  return {
    contentType: `multipart/related; type="application/xop+xml"; start="<root@edds-sim>"; start-info="${type}"; boundary="${boundary}"`,
    chunks: around(root, file(path, limit), `\r\n--${boundary}--\r\n`),
  };
}

async function* around(before: string, content: AsyncIterable<Uint8Array>, after: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(before);
  yield* content;
  yield Buffer.from(after);
}

async function* file(path: string, limit: number): AsyncGenerator<Uint8Array> {
  if (limit <= 0) return;
  yield* createReadStream(path, { end: limit - 1, highWaterMark: 192 * 1024 });
}

async function* base64(path: string, limit: number): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of file(path, limit)) {
    const bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    const whole = bytes.length - (bytes.length % 3);
    rest = bytes.subarray(whole);
    yield Buffer.from(bytes.toString('base64', 0, whole), 'latin1');
  }
  if (rest.length > 0) yield Buffer.from(rest.toString('base64'), 'latin1');
}

async function* withoutDeclaration(path: string, limit: number): AsyncGenerator<Uint8Array> {
  let first = true;
  for await (const chunk of file(path, limit)) {
    const start = first ? chunk.indexOf(0x0a) + 1 : 0;
    first = false;
    yield chunk.subarray(start);
  }
}
