import { randomBytes, randomUUID } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { type DataDriveSimulator, startDataDriveSimulator } from '../../simulators/datadrive/index.js';
import { type Service, service, unique } from '../../test/services/index.js';

export interface Bench {
  readonly dd: DataDriveSimulator;
  readonly search: Service;
  readonly s3: Service;
  readonly client: S3Client;
  close(): Promise<void>;
}

const kernel = 'm2020-spice-kernel';

export async function startBench(): Promise<Bench> {
  const [search, s3] = [await service('elasticsearch'), await service('versitygw')];
  const { username: accessKeyId = '', password: secretAccessKey = '' } = s3;
  const dd = await startDataDriveSimulator({
    search: { url: search.url },
    s3: { endpoint: s3.url, accessKeyId, secretAccessKey },
    prefix: `${unique('bench')}-`,
  });
  const credentials = { accessKeyId, secretAccessKey };
  // As our own reader: without a checksum in JavaScript that would slow the bare client down.
  const responseChecksumValidation = 'WHEN_REQUIRED';
  const place = { endpoint: s3.url, region: 'us-east-1', forcePathStyle: true };
  const client = new S3Client({ ...place, credentials, responseChecksumValidation });
  return {
    ...{ dd, search, s3, client },
    async close() {
      client.destroy();
      await dd.stop({ destroy: true });
    },
  };
}

/** So many documents in the index, without bytes behind them. */
export async function fillIndex({ dd, search }: Bench, count: number): Promise<void> {
  const alias = dd.aliases[kernel] ?? '';
  const base = Date.UTC(2024, 0, 1);
  for (let from = 0; from < count; from += 5000) {
    const rows: object[] = [];
    for (let n = from; n < Math.min(from + 5000, count); n++) {
      const at = new Date(base + n * 1000).toISOString();
      const name = `m2020_bench_${String(n).padStart(7, '0')}.bc`;
      const id = randomUUID();
      rows.push({ index: { _id: id } }, documentFor({ id, name, at, n, bucket: dd.buckets[0] ?? '' }));
    }
    await bulk(search, alias, rows);
  }
}

function documentFor(file: {
  id: string;
  name: string;
  at: string;
  n: number;
  bucket: string;
  size?: number;
  etag?: string;
}) {
  return {
    ocs_dataset_id: file.id,
    ocs_package_id: '5b8d2a4e-6c1f-4b57-9a3d-0d6f3b1c2020',
    ocs_package_name: 'm2020-spice',
    ocs_type_name: kernel,
    ocs_name: file.name,
    ocs_path: '/bench',
    ocs_full_name: `/bench/${file.name}`,
    ocs_url: `s3://${file.bucket}/bench/${file.name}`,
    ocs_created_at: file.at,
    ocs_updated_at: file.at,
    ocs_created_by: 'user-a',
    ocs_etag: file.etag ?? randomBytes(16).toString('hex'),
    ext: 'bc',
    size: file.size ?? 256_000,
    kernel_type: ['CK', 'SPK', 'SCLK', 'MK'][file.n % 4],
    lid: `urn:nasa:pds:mars2020.spice:spice_kernels:ck_${file.name}`,
    product_version: file.n % 7,
    mission: 'mars2020',
    md5: randomBytes(16).toString('hex'),
    coverage: { gte: file.at, lte: file.at },
    description: `SPICE CK file number ${file.n}, created by a benchmark from random bytes`,
  };
}

/** One large object with its document; gives its key in the bucket. */
export async function putLarge(bench: Bench, bytes: number): Promise<string> {
  const { dd, client } = bench;
  const Bucket = dd.buckets[0] ?? '';
  const place = { Bucket, Key: 'bench/large.bc' };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(place));
  const part = randomBytes(32 << 20);
  const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
  for (let at = 0; at < bytes; at += part.length) {
    const PartNumber = Parts.length + 1;
    const Body = part.subarray(0, Math.min(part.length, bytes - at));
    const { ETag } = await client.send(new UploadPartCommand({ ...place, UploadId, PartNumber, Body }));
    Parts.push({ PartNumber, ETag });
  }
  const done = await client.send(
    new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts } }),
  );
  await index(bench, [{ folder: 'large', name: 'large.bc', key: place.Key, n: 0, size: bytes, etag: done.ETag ?? '' }]);
  return place.Key;
}

/** So many objects of so many bytes, all different, with their documents; gives their keys in the bucket. */
export async function putSmall(bench: Bench, count: number, bytes: number): Promise<readonly string[]> {
  const { dd, client } = bench;
  const Bucket = dd.buckets[0] ?? '';
  const files = Array.from({ length: count }, (_, n) => {
    const name = `small_${String(n).padStart(6, '0')}.bc`;
    return { folder: 'small', name, key: `small/${name}`, n, size: bytes, etag: '' };
  });
  let next = 0;
  const work = async (): Promise<void> => {
    for (let file = files[next++]; file; file = files[next++]) {
      const command = new PutObjectCommand({ Bucket, Key: file.key, Body: randomBytes(bytes) });
      file.etag = (await client.send(command)).ETag ?? '';
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  for (let from = 0; from < count; from += 2000) await index(bench, files.slice(from, from + 2000));
  return files.map(({ key }) => key);
}

interface Stored {
  readonly folder: string;
  readonly name: string;
  readonly key: string;
  readonly n: number;
  readonly size: number;
  readonly etag: string;
}

async function index({ dd, search }: Bench, files: readonly Stored[]): Promise<void> {
  const base = Date.UTC(2025, 0, 1);
  const rows = files.flatMap(({ folder, name, key, n, size, etag }) => {
    const id = randomUUID();
    const at = new Date(base + n * 1000).toISOString();
    const bucket = dd.buckets[0] ?? '';
    // The md5 of the common document is that of other bytes.
    const { md5: _, ...document } = documentFor({ id, name, at, n, bucket, size, etag: etag.replaceAll('"', '') });
    const place = { ocs_path: `/${folder}`, ocs_full_name: `/${folder}/${name}`, ocs_url: `s3://${bucket}/${key}` };
    return [{ index: { _id: id } }, { ...document, ...place }];
  });
  await bulk(search, dd.aliases[kernel] ?? '', rows);
}

async function bulk(search: Service, alias: string, rows: readonly object[]): Promise<void> {
  const response = await fetch(`${search.url}/${alias}/_bulk?refresh=true`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`,
  });
  const { errors } = (await response.json()) as { errors: boolean };
  if (errors) throw new Error('the index refused documents');
}
