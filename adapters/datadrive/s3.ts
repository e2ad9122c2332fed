import type { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput, HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { MpdError } from '../../src/mpd/index.js';
import type { Guard } from '../../src/net/guard.js';
import { getLarge, isLargeBody } from '../../src/net/large-body.js';
import type { DataDriveConfig } from './config.js';
import { fault } from './http.js';
import { placeOf } from './place.js';
import { type ByteSource, bareEtag } from './source.js';

/** Bodies straight from the listed buckets. */
export function s3Source(config: NonNullable<DataDriveConfig['s3']>, guard: Guard): ByteSource {
  const { accessKeyId, secretAccessKey, sessionToken, endpoint, region, buckets } = config;
  const client = new S3Client({
    region,
    ...(endpoint && { endpoint }),
    forcePathStyle: config.pathStyle ?? endpoint !== undefined,
    ...(accessKeyId &&
      secretAccessKey && { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } }),
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      httpAgent: guard.agent('http'),
      httpsAgent: guard.agent('https'),
      connectionTimeout: 10_000,
      socketTimeout: 60_000,
    },
  });
  return {
    async fetch(url, { offset, etag, large, signal }) {
      const { bucket: Bucket, key: Key } = placeOf(url, buckets);
      try {
        const range = offset > 0 ? { Range: `bytes=${offset}-` } : {};
        const match = etag !== null && config.checkEtag ? { IfMatch: `"${etag}"` } : {};
        const command = new GetObjectCommand({ Bucket, Key, ...range, ...match });
        if (large) readLarge(command, guard, signal);
        const answer = await client.send(command, { abortSignal: signal });
        const total = /\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1];
        const size = total === undefined ? (answer.ContentLength ?? null) : Number(total);
        const stream = answer.Body as Readable;
        const release = isLargeBody(stream) ? stream.release : undefined;
        return { stream, size, etag: bareEtag(answer.ETag), ...(release && { release }) };
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        return outcomeOf(error, Bucket);
      }
    },
    async check(signal) {
      const faults: string[] = [];
      for (const Bucket of buckets)
        await client.send(new HeadBucketCommand({ Bucket }), { abortSignal: signal }).catch((error: Error) => {
          faults.push(`bucket ${Bucket}: ${reasonOf(error)}`);
        });
      return faults;
    },
    close: () => client.destroy(),
  };
}

/** A signed request, as the client's own handler gets it. */
interface Signed {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | null | readonly string[]>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** Sends the command's request by `getLarge` where that can be, else by the client's own handler. */
function readLarge(command: GetObjectCommand, guard: Guard, signal: AbortSignal): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      const { protocol, hostname, port, path, query = {}, headers } = args.request as Signed;
      if (protocol !== 'http:') return next(args);
      const values = Object.entries(query).flatMap(([name, value]) => [value ?? ''].flat().map((one) => [name, one]));
      const parameters = values.map(([name = '', value = '']) => `${escaped(name)}=${escaped(value)}`).join('&');
      const origin = new URL(`http://${hostname}:${port ?? 80}/`);
      const answer = await getLarge(guard, origin, {
        ...{ headers, signal },
        path: parameters === '' ? path : `${path}?${parameters}`,
      });
      if (answer === null) return next(args);
      const response = { statusCode: answer.status, headers: answer.headers, body: answer.body };
      // What it says of the body the next step fills in.
      return { response, output: { $metadata: {} } as GetObjectCommandOutput };
    },
    { step: 'deserialize', priority: 'low', name: 'largeBody' },
  );
}

const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);

interface S3Error extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
}

function outcomeOf(error: unknown, bucket: string): 'changed' | 'missing' {
  if (error instanceof MpdError) throw error;
  const status = (error as S3Error).$metadata?.httpStatusCode;
  if (status === 412) return 'changed';
  if (status === 404 && (error as Error).name !== 'NoSuchBucket') return 'missing';
  // Beyond the end: the object is shorter than what was read before.
  if (status === 416) return 'changed';
  const refused = status === 401 || status === 403 || status === 404;
  throw fault(`bucket ${bucket}: ${reasonOf(error as Error)}`, refused ? 'target-down' : 'retry', error);
}

function reasonOf(error: Error): string {
  const status = (error as S3Error).$metadata?.httpStatusCode;
  if (status === undefined) return error.message;
  if (status === 404) return 'does not exist';
  // An answer without a body, as to a question for the bucket itself, has no name for its reason.
  const reason = error.name === 'Unknown' ? '' : ` ${error.name}`;
  return status === 403 ? `the account is refused (403${reason})` : `answered ${status}${reason}`;
}
