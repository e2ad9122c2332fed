import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { parse as parseYaml } from 'yaml';
import { parsePds4Label } from '../../src/formats/pds4/index.js';
import { type PacketFileSummary, packetSummary } from '../../src/formats/space-packet/index.js';
import { formatTime } from '../../src/mal/index.js';
import { baseName, folderOf, joinPath } from './names.js';
import type { Readers } from './readers.js';
import { type FileStat, isAbsent, RefusedFile, type Root, sameStat } from './root.js';

/** What a file says of `subject`, itself or another: plain JSON values, times as ISO 8601. */
export interface Fact {
  readonly subject: string;
  readonly kind: 'label' | 'packets' | 'sidecar';
  readonly facts: Readonly<Record<string, unknown>>;
}

export type ReadResult =
  | {
      readonly status: 'read';
      readonly path: string;
      readonly stat: FileStat;
      readonly sha256: Uint8Array;
      readonly facts: readonly Fact[];
      /** It is a label or a side-car, and those are no products here. */
      readonly hidden: boolean;
      readonly problems: readonly string[];
    }
  | { readonly status: 'changed'; readonly path: string; readonly stat: FileStat }
  | { readonly status: 'gone'; readonly path: string }
  | { readonly status: 'failed'; readonly path: string; readonly reason: string };

const CHUNK = 256 * 1024;
/** Labels and side-cars beyond this are ordinary files. */
const MAX_DESCRIPTION = 4 * 1024 * 1024;

/** Reads a file once: checksum, packets, label, side-car. `changed` when it is not what `expected` says, before or after. */
export async function readArchiveFile(
  root: Root,
  path: string,
  expected: FileStat,
  readers: Readers,
  signal: AbortSignal,
): Promise<ReadResult> {
  let handle: FileHandle | undefined;
  try {
    const opened = await root.open(path);
    handle = opened.handle;
    if (!sameStat(opened.stat, expected)) return { status: 'changed', path, stat: opened.stat };
    const read = await readThrough(handle, path, expected, readers, signal);
    const now = await root.look(path);
    if (now.kind !== 'file') return { status: 'gone', path };
    if (!sameStat(now.stat, expected) || read.length !== expected.size)
      return { status: 'changed', path, stat: now.stat };
    return { status: 'read', path, stat: expected, ...describeContent(path, read, readers) };
  } catch (error) {
    if (signal.aborted) throw error;
    if (isAbsent(error)) return { status: 'gone', path };
    if (error instanceof RefusedFile || (error as NodeJS.ErrnoException).syscall !== undefined) {
      return { status: 'failed', path, reason: (error as Error).message };
    }
    throw error;
  } finally {
    await handle?.close();
  }
}

interface Content {
  readonly length: bigint;
  readonly sha256: Uint8Array;
  readonly packets: PacketFileSummary | null;
  /** The whole content, where it may be a description. */
  readonly text: Uint8Array | null;
}

async function readThrough(
  handle: FileHandle,
  path: string,
  { size }: FileStat,
  readers: Readers,
  signal: AbortSignal,
): Promise<Content> {
  const name = baseName(path);
  const hash = createHash('sha256');
  const reader = readers.packets(name);
  const summary =
    reader &&
    packetSummary({
      crc: reader.crc,
      ...(reader.prefix && { prefix: reader.prefix }),
      ...(reader.time && { time: reader.time }),
    });
  const describes = size <= MAX_DESCRIPTION && (readers.isLabel(name) || readers.sidecarOf(name) !== null);
  const kept: Uint8Array[] = [];
  let length = 0n;
  const reuse = Buffer.allocUnsafe(Number(size < BigInt(CHUNK) ? size + 1n : BigInt(CHUNK)));
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(reuse, 0, reuse.length);
    if (bytesRead === 0) break;
    const chunk = reuse.subarray(0, bytesRead);
    hash.update(chunk);
    // The packet reader may hold on to what it is given.
    summary?.push(Uint8Array.prototype.slice.call(chunk));
    if (describes) kept.push(Uint8Array.prototype.slice.call(chunk));
    length += BigInt(bytesRead);
  }
  return {
    length,
    sha256: hash.digest(),
    packets: summary?.end() ?? null,
    text: describes ? Buffer.concat(kept) : null,
  };
}

function describeContent(path: string, content: Content, readers: Readers) {
  const facts: Fact[] = [];
  const problems: string[] = [];
  let hidden = false;
  const name = baseName(path);
  if (content.packets !== null) facts.push({ subject: path, kind: 'packets', facts: packetFacts(content.packets) });
  if (content.text !== null && readers.isLabel(name)) {
    const found = labelFacts(path, content.text);
    if (typeof found === 'string') problems.push(found);
    else {
      facts.push(...found);
      hidden ||= !readers.labelsAreProducts;
    }
  }
  const subject = readers.sidecarOf(name);
  if (content.text !== null && subject !== null) {
    const found = sidecarFacts(content.text, name);
    if (typeof found === 'string') problems.push(found);
    else {
      facts.push({ subject: joinPath(folderOf(path), subject), kind: 'sidecar', facts: found });
      hidden ||= !readers.sidecarsAreProducts;
    }
  }
  return { sha256: content.sha256, facts, hidden, problems };
}

function labelFacts(path: string, bytes: Uint8Array): readonly Fact[] | string {
  let label: ReturnType<typeof parsePds4Label>;
  try {
    label = parsePds4Label(bytes);
  } catch (error) {
    return `no PDS4 label: ${(error as Error).message}`;
  }
  const { files, startTime, stopTime, problems: _, ...rest } = label;
  const common = { ...rest, path, startTime: isoOrNull(startTime), stopTime: isoOrNull(stopTime) };
  return [
    { subject: path, kind: 'label' as const, facts: { ...common, own: true, files: files.map((file) => file.name) } },
    ...files
      .filter((file) => isPlainName(file.name))
      .map((file) => ({
        subject: joinPath(folderOf(path), file.name),
        kind: 'label' as const,
        facts: { ...common, size: file.size, md5: file.md5, created: isoOrNull(file.created) },
      })),
  ];
}

const isPlainName = (name: string): boolean => name !== '.' && name !== '..' && !/[/\0]/.test(name);

const isoOrNull = (ns: bigint | null): string | null => (ns === null ? null : formatTime(ns));

function sidecarFacts(bytes: Uint8Array, name: string): Readonly<Record<string, unknown>> | string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const data: unknown = name.endsWith('json') ? JSON.parse(text) : parseYaml(text, { maxAliasCount: 100 });
    if (typeof data !== 'object' || data === null || Array.isArray(data)) return 'no side-car: not an object';
    return data as Record<string, unknown>;
  } catch (error) {
    return `no side-car: ${(error as Error).message.split('\n')[0]}`;
  }
}

function packetFacts(summary: PacketFileSummary): Readonly<Record<string, unknown>> {
  return {
    count: summary.packets,
    apids: summary.apids.map(({ apid }) => apid),
    gaps: summary.gapCount,
    missing: summary.missingPackets,
    segmented: summary.segmented,
    problems: summary.problemCount,
    firstTime: isoOrNull(summary.firstTime),
    lastTime: isoOrNull(summary.lastTime),
  };
}
