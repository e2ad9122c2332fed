import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import type { Readable } from 'node:stream';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import ssh2, { type SFTPWrapper, type Stats } from 'ssh2';
import type { Service } from '../../test/services/index.js';

/** What somebody without a gateway would write: plain clients of the same servers, with nothing of ours. */

const agent = new Agent({ keepAlive: true });

export async function http(
  url: string | URL,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly body?: object } = {},
): Promise<IncomingMessage> {
  const { headers, body } = options;
  const sent = request(url, {
    agent,
    method: body ? 'POST' : 'GET',
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
  });
  sent.end(body && JSON.stringify(body));
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  if (answer.statusCode === 200 || answer.statusCode === 206) return answer;
  throw new Error(`${answer.statusCode} ${(await read(answer)).toString()}`);
}

export async function read(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await drain(stream, (chunk) => chunks.push(chunk));
  return Buffer.concat(chunks);
}

/** Bytes of a stream, thrown away unless `each` keeps them. */
export async function drain(stream: Readable, each?: (chunk: Buffer) => void): Promise<number> {
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    each?.(chunk);
  });
  await once(stream, 'end');
  return bytes;
}

export async function lines(stream: Readable): Promise<number> {
  let count = 0;
  await drain(stream, (chunk) => {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) count++;
  });
  return count;
}

/** Documents in creation order, parsed and thrown away: one page, or all of them. */
export async function scan(
  search: string,
  aliases: readonly string[],
  most: number,
  more: readonly object[] = [],
): Promise<number> {
  const size = Math.min(most, 1000);
  let after: unknown[] | undefined;
  let count = 0;
  for (;;) {
    const body = {
      ...{ size, track_total_hits: false, query: { bool: { filter: more } } },
      sort: [{ ocs_created_at: 'asc' }, { ocs_dataset_id: 'asc' }],
      ...(after && { search_after: after }),
    };
    const answer = await http(`${search}/${aliases.join(',')}/_search`, { body });
    const { hits } = (JSON.parse((await read(answer)).toString()) as { hits: { hits: { sort: unknown[] }[] } }).hits;
    count += hits.length;
    after = hits.at(-1)?.sort;
    if (hits.length < size || count >= most) return count;
  }
}

export async function getObject(client: S3Client, Bucket: string, Key: string): Promise<Readable> {
  return (await client.send(new GetObjectCommand({ Bucket, Key }))).Body as Readable;
}

const PACKET = 32 * 1024;
const WINDOW = 64;

type Done<T> = (error: Error | null | undefined, value?: T) => void;

const told = <T>(ask: (done: Done<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => ask((error, value) => (error ? reject(error) : resolve(value as T))));

/** A login over SFTP that stores as safely as the gateway: beside the name, flushed, checked, then renamed. */
export async function sftpClient({ url, username = '', password = '' }: Service) {
  const client = new ssh2.Client();
  const { hostname: host, port } = new URL(url);
  const ready = once(client, 'ready');
  client.connect({
    ...{ host, port: Number(port), username, password, hostVerifier: () => true },
    algorithms: { cipher: { append: [], prepend: ['aes128-gcm@openssh.com'], remove: [] } },
  });
  await ready;
  const sftp = await told<SFTPWrapper>((done) => client.sftp(done));
  const open = (path: string, flags: 'r' | 'w') => told<Buffer>((done) => sftp.open(path, flags, done));
  const close = (handle: Buffer) => told<void>((done) => sftp.close(handle, done));
  const sync = (handle: Buffer) => told<void>((done) => sftp.ext_openssh_fsync(handle, done));
  const stat = (path: string) => told<Stats>((done) => sftp.stat(path, done));
  const replace = (from: string, to: string) => told<void>((done) => sftp.ext_openssh_rename(from, to, done));

  async function write(path: string, stream: Readable): Promise<{ readonly bytes: number; readonly sum: Buffer }> {
    const handle = await open(path, 'w');
    const hash = createHash('sha256');
    let at = 0;
    let flight = 0;
    await new Promise<void>((resolve, reject) => {
      let ended = false;
      const done = (error?: Error | null): void => {
        flight--;
        if (error) reject(error);
        else if (ended && flight === 0) resolve();
        else if (!ended && flight < WINDOW) stream.resume();
      };
      stream.on('error', reject);
      stream.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        for (let from = 0; from < chunk.length; from += PACKET) {
          const length = Math.min(PACKET, chunk.length - from);
          flight++;
          sftp.write(handle, chunk, from, length, at, done);
          at += length;
        }
        if (flight >= WINDOW) stream.pause();
      });
      stream.on('end', () => {
        ended = true;
        if (flight === 0) resolve();
      });
    });
    await sync(handle);
    await close(handle);
    return { bytes: at, sum: hash.digest() };
  }

  async function digest(path: string, size: number): Promise<Buffer> {
    const handle = await open(path, 'r');
    const hash = createHash('sha256');
    const ahead: Promise<Buffer>[] = [];
    let next = 0;
    const ask = (): void => {
      const at = next;
      const length = Math.min(PACKET, size - at);
      next += length;
      ahead.push(
        new Promise((resolve, reject) =>
          sftp.read(handle, Buffer.allocUnsafe(length), 0, length, at, (error, count, data) =>
            error || count < length ? reject(error ?? new Error('a short answer')) : resolve(data),
          ),
        ),
      );
    };
    while (ahead.length < WINDOW && next < size) ask();
    for (let one = ahead.shift(); one; one = ahead.shift()) {
      hash.update(await one);
      if (next < size) ask();
    }
    await close(handle);
    return hash.digest();
  }

  return {
    async put(folder: string, name: string, stream: Readable, { readBack }: { readonly readBack: boolean }) {
      const temporary = `${folder}/.${name}.part`;
      const { bytes, sum } = await write(temporary, stream);
      const { size } = await stat(temporary);
      if (size !== bytes) throw new Error(`${size} of ${bytes} bytes`);
      if (readBack && !(await digest(temporary, size)).equals(sum)) throw new Error('other bytes');
      await replace(temporary, `${folder}/${name}`);
    },
    end: () => client.end(),
  };
}
