import { createHash } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { MpdClient } from '../../client/index.js';
import { CliError, EXIT } from '../exit-codes.js';
import { type NamedProduct, writtenRef } from '../input/reference.js';
import { humanSize } from '../output/human.js';
import { createProgress } from '../output/progress.js';
import { write } from '../output/write.js';
import type { Local } from '../runner.js';

export interface FetchOptions {
  readonly output?: string;
  readonly force?: boolean;
  /** Another form of the product; it begins anew each time. */
  readonly form?: string;
}

/**
 * Fetches one body. Bytes go to `.NAME.<revision>.part` beside the file, so that a later try goes on with the same content and
 * never with another; the file appears under its name when size and digest hold.
 */
export async function fetchProduct(
  product: NamedProduct,
  tools: Local & { readonly client: MpdClient },
  options: FetchOptions,
): Promise<string | null> {
  const { client, context, signal, out } = tools;
  const { ref } = product;
  if (options.output === '-') {
    const body = await client.getProduct(ref, { signal, revision: product.revision, ...formOf(options) });
    const hash = createHash('sha256');
    for await (const chunk of body.stream) {
      hash.update(chunk);
      await write(context.stdout, chunk);
    }
    checkDigest(hash.digest(), body.sha256, writtenRef(ref));
    return null;
  }
  // Only the gateway knows what a file of that form is called.
  const formed =
    options.form === undefined
      ? null
      : await client.getProduct(ref, { signal, revision: product.revision, form: options.form });
  const named = formed === null ? product : { ...product, fileName: formed.fileName };
  const place = destination(named, context.cwd, options.output);
  const part = join(dirname(place), `.${basename(place)}.${digestOf(product.revision ?? writtenRef(ref))}.part`);
  const file = await open(part, product.revision === null || formed !== null ? 'w+' : 'a+');
  let sha256: Buffer;
  let bytes: number;
  try {
    const there = await rehash(file);
    bytes = there.bytes;
    const body = formed ?? (await client.getProduct(ref, { signal, offset: bytes, revision: product.revision }));
    const progress = createProgress({ stream: context.stderr, label: basename(place), total: body.size, start: bytes });
    for await (const chunk of body.stream) {
      there.hash.update(chunk);
      await file.appendFile(chunk);
      bytes += chunk.length;
      progress.at(bytes);
    }
    progress.done();
    sha256 = there.hash.digest();
    if (body.size !== null && bytes !== body.size)
      throw damaged(`${writtenRef(ref)}: got ${bytes} bytes, not ${body.size}`);
    checkDigest(sha256, body.sha256, writtenRef(ref));
    await file.sync();
  } catch (error) {
    await file.close();
    if (error instanceof CliError && error.exitCode === EXIT.integrity) await rm(part, { force: true });
    throw error;
  }
  await file.close();
  await publish(part, place, sha256, options.force === true);
  const result = { product: writtenRef(ref), file: place, bytes, sha256: sha256.toString('hex') };
  if (out.json) await out.value(result);
  else await out.say(`${place}  ${humanSize(bytes)}  sha-256 ${result.sha256}`);
  return place;
}

const formOf = ({ form }: FetchOptions): { readonly form?: string } => (form === undefined ? {} : { form });

function destination(product: NamedProduct, cwd: string, output = '.'): string {
  const path = resolve(cwd, output);
  const isFolder = output.endsWith('/') || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const name = (product.fileName ?? product.ref.key.split('/').at(-1) ?? '')
    .replace(/[/\\]|\p{Cc}/gu, '_')
    .replace(/^\.+$/, '_');
  const place = isFolder ? join(path, name === '' ? 'product' : name) : path;
  mkdirSync(dirname(place), { recursive: true });
  return place;
}

/** The digest of what an earlier try left. */
async function rehash(
  file: FileHandle,
): Promise<{ readonly hash: ReturnType<typeof createHash>; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { hash, bytes };
}

async function publish(part: string, place: string, sha256: Buffer, force: boolean): Promise<void> {
  const there = await digestOfFile(place);
  if (there !== null && !there.equals(sha256) && !force) {
    throw new CliError(
      EXIT.failed,
      `${place} is there already with other content; --force replaces it (the bytes are kept in ${part})`,
    );
  }
  await rename(part, place);
}

async function digestOfFile(path: string): Promise<Buffer | null> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return (await rehash(file)).hash.digest();
  } finally {
    await file.close();
  }
}

function checkDigest(found: Uint8Array, expected: Uint8Array | null, product: string): void {
  if (expected !== null && !Buffer.from(expected).equals(found)) {
    throw damaged(
      `${product}: the SHA-256 of what arrived is ${Buffer.from(found).toString('hex')}, the gateway says ${Buffer.from(expected).toString('hex')}`,
    );
  }
}

const damaged = (message: string): CliError => new CliError(EXIT.integrity, message);
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);
