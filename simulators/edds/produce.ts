import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Zip, ZipDeflate } from 'fflate';
import {
  elementPacket,
  formatFileName,
  type ResponseElement,
  responseWriter,
  writeHexPackets,
} from '../../src/formats/edds-response/index.js';
import type { Archive } from './archive/index.js';
import type { Switches } from './control.js';
import { type DataType, matcher, RESPONSE_KIND, type Selection, select } from './selection.js';
import type { Job, PartRecord } from './state.js';
import type { Values } from './values.js';

export interface RunOptions {
  readonly job: Job;
  readonly archive: Archive;
  readonly selection: Selection;
  /** Milliseconds since 1970, in the file names. */
  readonly madeAt: number;
  readonly firstOrdinal: number;
  /** false: an empty result makes no part. */
  readonly partWhenEmpty: boolean;
  /** Elements of a part at most, also when the request does not say. */
  readonly partElements: number;
  readonly switches: Switches;
  readonly partPath: (fileName: string) => string;
}

/** Makes the parts of one run as files and describes them. */
export async function makeRun(options: RunOptions): Promise<PartRecord[]> {
  const { job, selection } = options;
  if (selection.type === 'File') return makeFiles(options);
  const hex = job.request.Format === 'HEX';
  const asked = (job.request.MaxElements as number | undefined) ?? Number.POSITIVE_INFINITY;
  const most = hex ? Number.POSITIVE_INFINITY : Math.min(asked, options.partElements);
  const elements = select(options.archive, selection, options.switches)[Symbol.asyncIterator]();
  const parts: PartRecord[] = [];
  let packetId = 1;
  let next = await elements.next();
  if (next.done && !options.partWhenEmpty) return [];
  do {
    let count = 0;
    const chunk = async function* (): AsyncGenerator<ResponseElement> {
      while (!next.done && count < most) {
        count++;
        yield next.value;
        next = await elements.next();
      }
    };
    const content = hex ? writeHexPackets(bare(chunk())) : document(selection.type, chunk(), packetId);
    parts.push(
      await store(options, parts.length, hex ? 'hex' : 'xml', hex ? 'text/plain' : 'text/xml', content, () => count),
    );
    packetId += count;
  } while (!next.done);
  return parts;
}

async function* bare(elements: AsyncIterable<ResponseElement>): AsyncGenerator<Uint8Array> {
  for await (const element of elements) {
    const packet = elementPacket(element);
    if (packet !== null) yield packet;
  }
}

/** A response document; an element without bytes stands for one without Packet. */
async function* document(
  type: Exclude<DataType, 'File'>,
  elements: AsyncIterable<ResponseElement>,
  firstPacketId: number,
): AsyncGenerator<Uint8Array> {
  const writer = responseWriter(RESPONSE_KIND[type], { firstPacketId });
  let held = writer.head();
  for await (const element of elements) {
    const text = writer.element(element);
    const empty = element.kind === 'raw' && element.bytes.length === 0;
    held += empty ? text.replace('\n    <Packet></Packet>\n', '') : text;
    if (held.length >= 65_536) {
      yield Buffer.from(held);
      held = '';
    }
  }
  yield Buffer.from(held + writer.tail());
}

async function makeFiles(options: RunOptions): Promise<PartRecord[]> {
  const { archive, selection, switches } = options;
  const matches = matcher(options.selection.filter);
  const parts: PartRecord[] = [];
  const most = (options.job.request.MaxElements as number | undefined) ?? Number.POSITIVE_INFINITY;
  for (const file of archive.files(switches.catalogueFiles ?? archive.description.files)) {
    if (parts.length >= most) break;
    if (!matches({ FileName: file.name }) || file.time * 1000 < selection.begin || file.time * 1000 >= selection.end)
      continue;
    const extension = /\.(\w{1,10})$/.exec(file.name)?.[1] ?? 'bin';
    const content = [archive.fileContent(file.name)];
    parts.push(await store(options, parts.length, extension, 'application/octet-stream', content, () => 1));
  }
  return parts;
}

async function store(
  options: RunOptions,
  index: number,
  extension: string,
  contentType: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  elements: () => number,
): Promise<PartRecord> {
  const { request, id } = options.job;
  const name = request.Name === undefined || request.Name === '' ? '' : `${String(request.Name)}.`;
  const plain = formatFileName({
    prefix: name,
    requestId: id,
    madeAt: BigInt(options.madeAt) * 1_000_000n,
    part: index + 1,
    extension,
  });
  const zip = request.Compression === 'ZIP';
  const fileName = zip ? `${plain}.zip` : plain;
  const path = options.partPath(fileName);
  await pipeline(Readable.from(zip ? zipped(plain, content) : content), createWriteStream(path));
  return {
    ordinal: options.firstOrdinal + index,
    part: index + 1,
    fileName,
    contentType: zip ? 'application/zip' : contentType,
    size: (await stat(path)).size,
    elements: elements(),
    madeAt: options.madeAt,
  };
}

/** One member under the plain name. */
async function* zipped(
  name: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const out: Uint8Array[] = [];
  const zip = new Zip((error, data) => {
    if (error) throw error;
    out.push(data);
  });
  const member = new ZipDeflate(name, { level: 1 });
  zip.add(member);
  for await (const chunk of content) {
    member.push(chunk);
    yield* out.splice(0);
  }
  member.push(new Uint8Array(0), true);
  zip.end();
  yield* out.splice(0);
}

/** Request values that select data. */
export function filterOf(request: Values): Values | null {
  return (request.Filter as Values | undefined) ?? null;
}
