import { createHash } from 'node:crypto';
import { deliveryFailed, isMpdError, MpdError } from '../../mpd/index.js';
import type { Backend, Body, Checksum } from '../backend.js';
import { crashPoint } from '../crash-point.js';
import type { Placement } from '../placement.js';
import type { PutResult } from '../target.js';
import { domainOf, productRef } from '../values.js';
import { arrived } from './arrived.js';
import { type ClaimResult, claimCheck } from './claim.js';
import type { LandedFile } from './outcome.js';
import type { Claimed } from './rows.js';
import { untilAborted } from './source.js';
import { type StallWatch, watchStall } from './stall.js';

export interface TransferOptions {
  readonly verify: 'readback' | 'remote';
  readonly stallMs: number;
  /** How long a target may take to leave off after an abort. */
  readonly leaveMs: number;
  /** First part of temporary names: tells this store's deliveries from those of others at the same target. */
  readonly storeId: string;
  /** Bytes sent so far. */
  readonly progress: (bytes: number) => void;
}

/** What a check of a file of unknown size may take: that of 1 GiB. */
const UNKNOWN_SIZE = 2 ** 30;

/** A transfer that came to nothing: which side was at fault. */
export class TransferError extends Error {
  readonly side: 'source' | 'target' | 'held';
  readonly fault: MpdError;

  constructor(side: TransferError['side'], fault: MpdError) {
    super(fault.message, { cause: fault });
    this.side = side;
    this.fault = fault;
  }
}

/**
 * Sends one product and answers what lies at the target then; nothing is written to the store. Where an earlier worker was lost,
 * what it left is looked at first, so that a file that landed is not sent again. Fails with TransferError or the signal's reason.
 */
export async function transfer(
  claimed: Claimed,
  backend: Backend,
  options: TransferOptions,
  signal: AbortSignal,
): Promise<LandedFile> {
  const { row, entry, destination, filename, abandoned } = claimed;
  const { target, uri } = destination;
  const stall = watchStall(options.stallMs);
  const either = AbortSignal.any([signal, stall.signal]);
  const moved = (bytes: number): void => {
    stall.touch();
    options.progress(bytes);
  };
  const deliveryId = (id: bigint): string => `${options.storeId}-${id}`;
  let failure = (): TransferError | null => null;
  let endIfUnread = async (): Promise<void> => undefined;
  try {
    const placement = await whoBrings(claimed, backend, either);
    if (placement.kind === 'backend') return await arrived(claimed, placement, either, moved);
    const notes = [placement.reason, withoutForm(claimed)];
    if (abandoned !== null) await target.clean(uri, filename, deliveryId(abandoned), either);
    if (row.was !== 'queued') {
      stall.allow(Number(row.bytes ?? entry.metadata.fileMetadata?.fileSize ?? UNKNOWN_SIZE));
      await target.clean(uri, filename, deliveryId(row.id), either);
      const found =
        row.was === 'landed' ? await confirm(claimed, either) : await discover(claimed, backend, either, stall);
      if (found !== null) return noted(found, notes);
      stall.allow(0);
    }
    const source = await open(claimed, backend, either, stall.touch);
    const checked = checkedStream(source, claimed, stall);
    failure = checked.failure;
    endIfUnread = checked.endIfUnread;
    const putting = target.put(
      uri,
      filename,
      { size: source.size, stream: checked.stream },
      {
        verify: options.verify,
        overwrite: row.overwrite,
        deliveryId: deliveryId(row.id),
        epoch: Number(row.epoch),
        signal: either,
        progress: moved,
      },
    );
    const result = await orAbandoned(putting, either, options.leaveMs);
    crashPoint('after-rename');
    return noted(landed(result, filename, checked.result(result)), [...notes, checked.reason()]);
  } catch (error) {
    throw signal.aborted ? signal.reason : (failure() ?? faultOf(error));
  } finally {
    stall.end();
    await endIfUnread().catch(() => undefined);
  }
}

const withoutForm = ({ row, form, entry }: Claimed): string | null =>
  row.form !== null && form === null
    ? `sent as it came: ${entry.metadata.productType.name} has no form ${row.form}`
    : null;

const noted = (file: LandedFile, notes: readonly (string | null)[]): LandedFile => {
  const note = [file.note, ...notes].filter(Boolean).join('; ');
  return note === '' ? file : { ...file, note };
};

/** The work; or the signal's reason when the work does not end within `ms` after it. */
async function orAbandoned<T>(work: Promise<T>, signal: AbortSignal, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  const abandoned = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      timer = setTimeout(() => reject(signal.reason), ms);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([work, abandoned]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function faultOf(error: unknown): TransferError {
  if (error instanceof TransferError) return error;
  if (isMpdError(error)) return new TransferError('target', error);
  return new TransferError('target', deliveryFailed(String((error as Error)?.message ?? error), 'retry', error));
}

const asSource = (error: unknown): TransferError => {
  if (error instanceof TransferError) return error;
  if (isMpdError(error)) return new TransferError('source', error);
  const message = `the source failed: ${(error as Error)?.message ?? String(error)}`;
  return new TransferError('source', new MpdError('Internal', { class: 'retry', message, cause: error }));
};

/** Asked anew at each attempt: a backend that could not send by itself leaves it to the gateway. */
async function whoBrings({ row }: Claimed, backend: Backend, signal: AbortSignal): Promise<Placement> {
  if (backend.placement === undefined) return { kind: 'gateway', reason: null };
  const ref = productRef(domainOf(row.domain), row.key, Number(row.version));
  try {
    return await backend.placement(ref, row.order_id, signal);
  } catch (error) {
    throw signal.aborted ? error : asSource(error);
  }
}

async function open(
  { row, form, known }: Claimed,
  backend: Backend,
  signal: AbortSignal,
  touch: () => void,
): Promise<Body> {
  const ref = productRef(domainOf(row.domain), row.key, Number(row.version));
  try {
    const entry = await known?.();
    const asked = { revision: row.revision, offset: 0, signal, progress: touch, ...(entry && { entry }) };
    const body = await backend.open(ref, form === null ? asked : { ...asked, form: form.name });
    if (body.revision === row.revision) return body;
    await endUnread(body);
    throw new MpdError('Unknown', { class: 'refuse', message: 'the product has other content now' });
  } catch (error) {
    throw signal.aborted ? error : asSource(error);
  }
}

async function endUnread(body: Body): Promise<void> {
  await body.stream[Symbol.asyncIterator]().return?.();
}

/** A product that was found faulty while it was read is no better than one with a wrong checksum. */
function judged(result: ClaimResult, body: Body): ClaimResult {
  const fault = body.fault?.() ?? null;
  return fault === null ? result : { check: 'mismatch', reason: [result.reason, fault].filter(Boolean).join('; ') };
}

/** What the source says of the bytes that it gives; of another form it says nothing. */
const claimOf = (body: Body, { entry, form }: Claimed): Checksum | null =>
  form === null ? (body.claim ?? entry.claim) : null;

/** The body as it is sent: its claim is checked before its end is told, so that a held product never becomes visible. */
function checkedStream(body: Body, claimed: Claimed, stall: StallWatch) {
  const { row } = claimed;
  const claim = claimOf(body, claimed);
  const hold = row.on_bad_source === 'hold' && row.source_check !== 'mismatch';
  // The target answers the SHA-256 of what it read: no need to compute that twice.
  const free = claim?.algorithm === 'sha-256' && !hold;
  const check = claimCheck(free ? null : claim);
  let result: ClaimResult | null = null;
  let failure: TransferError | null = null;
  let begun = false;
  const fail = (error: TransferError): MpdError => {
    failure = error;
    return error.fault;
  };
  async function* stream(): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    begun = true;
    try {
      for await (const chunk of body.stream) {
        stall.touch();
        check.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      throw fail(asSource(error));
    }
    result = judged(check.result(), body);
    if (hold && result.check === 'mismatch') throw fail(new TransferError('held', deliveryFailed(result.reason!)));
    stall.allow(bytes);
    crashPoint('after-send');
  }
  return {
    stream: stream(),
    /** The source's own failure, however the target passed it on. */
    failure: () => failure,
    /** A target that failed before it read anything leaves the body to us. */
    endIfUnread: async () => {
      if (!begun) await endUnread(body);
    },
    result: (put: PutResult): LandedFile['sourceCheck'] => {
      if (free && !Buffer.from(claim.value).equals(put.checksum)) return 'mismatch';
      return free && result?.check !== 'mismatch' ? 'ok' : (result?.check ?? 'none');
    },
    /** Of what was sent all the same: what is wrong with it. */
    reason: () => (result?.check === 'mismatch' ? result.reason : null),
  };
}

const landed = (
  result: Pick<PutResult, 'location' | 'bytes' | 'checksum' | 'targetCheck'>,
  filename: string,
  sourceCheck: LandedFile['sourceCheck'],
): LandedFile => ({ ...result, filename, sourceCheck });

/** A file that the ledger says has landed: still there, and still what was sent? null = send again. */
async function confirm({ row, destination, filename }: Claimed, signal: AbortSignal): Promise<LandedFile | null> {
  if (row.checksum === null || row.bytes === null || row.source_check === null) return null;
  const found = await destination.target.stat(destination.uri, filename, { checksum: true, signal });
  if (found === null || BigInt(found.bytes) !== row.bytes) return null;
  if (found.checksum !== null && !Buffer.from(found.checksum).equals(row.checksum)) return null;
  const sent = { location: found.location, bytes: found.bytes, checksum: row.checksum };
  return landed({ ...sent, targetCheck: found.checksum === null ? 'size' : 'verified' }, filename, row.source_check);
}

/** A worker was lost and its file may have landed: what lies there against what the source gives. null = send. */
async function discover(
  claimed: Claimed,
  backend: Backend,
  signal: AbortSignal,
  stall: StallWatch,
): Promise<LandedFile | null> {
  const { row, destination, filename } = claimed;
  const found = await destination.target.stat(destination.uri, filename, { checksum: true, signal });
  if (found === null || found.checksum === null) return null;
  const body = await open(claimed, backend, signal, stall.touch);
  if (body.size !== null && body.size !== found.bytes) {
    await endUnread(body);
    return null;
  }
  const hash = createHash('sha256');
  const check = claimCheck(claimOf(body, claimed));
  try {
    for await (const chunk of untilAborted(body.stream, signal)) {
      stall.touch();
      hash.update(chunk);
      check.update(chunk);
    }
  } catch (error) {
    throw signal.aborted ? error : asSource(error);
  }
  const checksum = new Uint8Array(hash.digest());
  if (!Buffer.from(found.checksum).equals(checksum)) return null;
  const judgement = judged(check.result(), body);
  const sourceCheck = judgement.check;
  if (sourceCheck === 'mismatch' && row.on_bad_source === 'hold' && row.source_check !== 'mismatch') return null;
  return landed(
    { location: found.location, bytes: found.bytes, checksum, targetCheck: 'verified' },
    filename,
    sourceCheck,
  );
}
