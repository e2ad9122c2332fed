import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { readSource } from '../../gateway/delivery/source.js';
import type { PutOptions, PutResult, SourceBody } from '../../gateway/target.js';
import { deliveryFailed } from '../../mpd/index.js';
import { exists, isMissing } from './errors.js';
import { inParts, partSizeFor } from './parts.js';

/** Where an object lies. */
export interface Place {
  readonly Bucket: string;
  readonly Key: string;
}

/** Parts of one upload that are on their way at the same time. */
const PARALLEL = 3;

/**
 * Stores an object; it appears whole, at the end. Every request carries the SHA-256 of its bytes, which the server checks
 * before it takes them: that is what `verified` means here. A server that does not answer with it gives `size`.
 */
export async function putObject(
  client: S3Client,
  place: Place,
  body: SourceBody,
  options: PutOptions,
): Promise<Omit<PutResult, 'location'>> {
  if (!options.overwrite && body.size !== null) {
    const found = await headObject(client, place, options.signal);
    if (found && found.bytes !== body.size) throw otherContent(place);
  }
  const source = readSource(body, options);
  const parts = inParts(source.stream, partSizeFor(body.size));
  const first = await parts.next();
  const second = first.done ? first : await parts.next();
  const condition = options.overwrite ? {} : { IfNoneMatch: '*' };
  let echoed: boolean;
  try {
    if (!first.done && !second.done)
      echoed = await multipart(client, place, [first.value, second.value], parts, condition, options.signal);
    else echoed = await single(client, place, first.done ? Buffer.alloc(0) : first.value, condition, options.signal);
  } catch (error) {
    if (!options.overwrite && exists(error)) {
      for await (const _ of parts) options.signal.throwIfAborted();
      const sent = { bytes: source.bytes(), checksum: source.sha256() };
      await requireEqual(client, place, sent, options.signal);
      return { ...sent, targetCheck: 'verified' };
    }
    throw error;
  } finally {
    await parts.return(undefined);
  }
  const landed = await headObject(client, place, options.signal);
  if (landed?.bytes !== source.bytes())
    throw deliveryFailed(`${source.bytes()} bytes were written and ${landed?.bytes ?? 'nothing'} landed`, 'retry');
  return { bytes: source.bytes(), checksum: source.sha256(), targetCheck: echoed ? 'verified' : 'size' };
}

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('base64');

async function single(
  client: S3Client,
  place: Place,
  data: Buffer,
  condition: { readonly IfNoneMatch?: string },
  abortSignal: AbortSignal,
): Promise<boolean> {
  const ChecksumSHA256 = sha256(data);
  const command = new PutObjectCommand({ ...place, ...condition, Body: data, ChecksumSHA256 });
  const answer = await client.send(command, { abortSignal });
  return answer.ChecksumSHA256 === ChecksumSHA256;
}

async function multipart(
  client: S3Client,
  place: Place,
  first: readonly Buffer[],
  rest: AsyncIterable<Buffer>,
  condition: { readonly IfNoneMatch?: string },
  abortSignal: AbortSignal,
): Promise<boolean> {
  const created = await client.send(new CreateMultipartUploadCommand({ ...place, ChecksumAlgorithm: 'SHA256' }), {
    abortSignal,
  });
  const upload = { ...place, UploadId: created.UploadId };
  try {
    const { done, echoed } = await sendParts(client, upload, first, rest, abortSignal);
    abortSignal.throwIfAborted();
    await client.send(
      new CompleteMultipartUploadCommand({ ...upload, ...condition, MultipartUpload: { Parts: [...done] } }),
      { abortSignal },
    );
    return echoed;
  } catch (error) {
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
    throw error;
  }
}

async function sendParts(
  client: S3Client,
  upload: Place & { readonly UploadId: string | undefined },
  first: readonly Buffer[],
  rest: AsyncIterable<Buffer>,
  abortSignal: AbortSignal,
): Promise<{ readonly done: readonly CompletedPart[]; readonly echoed: boolean }> {
  const done: CompletedPart[] = [];
  const flight = new Set<Promise<void>>();
  let echoed = true;
  let failed: { readonly error: unknown } | undefined;
  const send = async (data: Buffer, PartNumber: number): Promise<void> => {
    const ChecksumSHA256 = sha256(data);
    const command = new UploadPartCommand({ ...upload, PartNumber, Body: data, ChecksumSHA256 });
    const answer = await client.send(command, { abortSignal });
    if (answer.ChecksumSHA256 !== ChecksumSHA256) echoed = false;
    done[PartNumber - 1] = { PartNumber, ETag: answer.ETag, ChecksumSHA256 };
  };
  let number = 0;
  const launch = async (data: Buffer): Promise<void> => {
    while (flight.size >= PARALLEL) await Promise.race(flight);
    if (failed) throw failed.error;
    const part: Promise<void> = send(data, ++number)
      .catch((error) => {
        failed ??= { error };
      })
      .finally(() => flight.delete(part));
    flight.add(part);
  };
  try {
    for (const data of first) await launch(data);
    for await (const data of rest) await launch(data);
  } finally {
    await Promise.all(flight);
  }
  if (failed) throw failed.error;
  return { done, echoed };
}

/** Size of an object, and its SHA-256 where the server keeps one of the whole; null when there is none. */
export async function headObject(
  client: S3Client,
  place: Place,
  abortSignal: AbortSignal,
): Promise<{ readonly bytes: number; readonly checksum: Uint8Array | null } | null> {
  try {
    const head = await client.send(new HeadObjectCommand({ ...place, ChecksumMode: 'ENABLED' }), { abortSignal });
    const whole = head.ChecksumSHA256 !== undefined && /^[^-]+$/.test(head.ChecksumSHA256);
    const isFull = whole && head.ChecksumType !== 'COMPOSITE';
    const checksum = isFull ? new Uint8Array(Buffer.from(head.ChecksumSHA256 ?? '', 'base64')) : null;
    return { bytes: head.ContentLength ?? 0, checksum };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** SHA-256 of an object by reading it. */
export async function digestObject(client: S3Client, place: Place, abortSignal: AbortSignal): Promise<Uint8Array> {
  const answer = await client.send(new GetObjectCommand(place), { abortSignal });
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of answer.Body as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  if (answer.ContentLength !== undefined && bytes !== answer.ContentLength)
    throw deliveryFailed(`the server announced ${answer.ContentLength} bytes and sent ${bytes}`, 'retry');
  return new Uint8Array(hash.digest());
}

async function requireEqual(
  client: S3Client,
  place: Place,
  sent: { readonly bytes: number; readonly checksum: Uint8Array },
  signal: AbortSignal,
): Promise<void> {
  const found = await headObject(client, place, signal);
  const checksum = found && (found.checksum ?? (await digestObject(client, place, signal)));
  if (found?.bytes === sent.bytes && checksum && Buffer.from(checksum).equals(sent.checksum)) return;
  throw otherContent(place);
}

const otherContent = ({ Key }: Place) => deliveryFailed(`${Key} exists with other content and must not be overwritten`);
