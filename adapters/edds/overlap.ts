import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  type ResponseElement,
  type ResponseWriter,
  responseReader,
  responseWriter,
} from '../../src/formats/edds-response/index.js';
import { decodeRecord, ScosError } from '../../src/formats/scos2000/index.js';
import type { CachedFile, FileCache } from './cache.js';

/** Identity of a packet wherever it turns up: APID, sequence count, filing time and content. Null of what is no packet. */
export function packetKey(element: ResponseElement): string | null {
  if (element.kind !== 'raw') return null;
  try {
    const { header, content } = decodeRecord(element.bytes);
    const hash = createHash('sha256').update(content).digest('base64');
    return `${header.apid}:${header.ssc}:${header.filingTime}:${hash}`;
  } catch (error) {
    if (error instanceof ScosError) return null;
    throw error;
  }
}

/** Identity of anything in a response: of a packet as above, of commands and samples all that is said of them. */
export function elementKey(element: ResponseElement): string | null {
  if (element.kind === 'raw') return packetKey(element);
  return createHash('sha256').update(JSON.stringify(element)).digest('base64');
}

/** Adds the packets of a response file to the set, or those that are wanted. */
export async function collectPackets(
  file: CachedFile,
  into: Set<string>,
  wanted: (element: ResponseElement) => boolean = () => true,
): Promise<void> {
  await eachElement(file, (element) => {
    const key = wanted(element) ? elementKey(element) : null;
    if (key !== null) into.add(key);
  });
}

/** Ordinals (from 0) of the packets that are in the set, as `0-17,20`; empty when there are none. */
export const repeated = (file: CachedFile, known: ReadonlySet<string>): Promise<string> =>
  ordinalsOf(file, (element) => {
    const key = elementKey(element);
    return key !== null && known.has(key);
  });

/** Ordinals (from 0) of the elements for which this holds, as `0-17,20`; empty when there are none. */
export async function ordinalsOf(file: CachedFile, holds: (element: ResponseElement) => boolean): Promise<string> {
  const ranges: [number, number][] = [];
  let index = 0;
  await eachElement(file, (element) => {
    if (holds(element)) {
      const last = ranges.at(-1);
      if (last !== undefined && last[1] === index - 1) last[1] = index;
      else ranges.push([index, index]);
    }
    index++;
  });
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

/** The file without the elements at these ordinals, in its place in the cache; the others keep their numbers. */
export async function without(cache: FileCache, key: string, file: CachedFile, ordinals: string): Promise<CachedFile> {
  const drop = ordinals.split(',').map((range) => range.split('-').map(Number) as [number, number?]);
  return cache.receive(key, async ({ write }) => {
    let writer: ResponseWriter | null = null;
    let text = '';
    let index = 0;
    let at = 0;
    const reader = responseReader({
      onElement(element) {
        writer ??= startOf(element.kind);
        while (at < drop.length && (drop[at]![1] ?? drop[at]![0]) < index) at++;
        const dropped = at < drop.length && drop[at]![0] <= index;
        if (!dropped) text += writer.element(element);
        index++;
      },
    });
    const startOf = (kind: ResponseElement['kind']): ResponseWriter => {
      const made = responseWriter(kind, { firstPacketId: 'keep' });
      text += made.head();
      return made;
    };
    for await (const chunk of createReadStream(file.path)) {
      reader.write(chunk as Buffer);
      if (text.length > 65_536) {
        await write(Buffer.from(text));
        text = '';
      }
    }
    reader.end();
    await write(Buffer.from(text + (writer as ResponseWriter | null)!.tail()));
  });
}

export async function eachElement(file: CachedFile, onElement: (element: ResponseElement) => void): Promise<void> {
  const reader = responseReader({ onElement });
  for await (const chunk of createReadStream(file.path)) reader.write(chunk as Buffer);
  reader.end();
}
