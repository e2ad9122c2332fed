import { randomBytes, randomUUID } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
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
    const lines: string[] = [];
    for (let n = from; n < Math.min(from + 5000, count); n++) {
      const at = new Date(base + n * 1000).toISOString();
      const name = `m2020_bench_${String(n).padStart(7, '0')}.bc`;
      const id = randomUUID();
      lines.push(JSON.stringify({ index: { _id: id } }));
      lines.push(JSON.stringify(documentFor({ id, name, at, n, bucket: dd.buckets[0] ?? '' })));
    }
    const response = await fetch(`${search.url}/${alias}/_bulk`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: `${lines.join('\n')}\n`,
    });
    const { errors } = (await response.json()) as { errors: boolean };
    if (errors) throw new Error('the index refused documents');
  }
  await fetch(`${search.url}/${alias}/_refresh`, { method: 'POST' });
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

/** One large object with its document; gives the dataset id. */
export async function putLarge({ dd, search, client }: Bench, bytes: number): Promise<string> {
  const Bucket = dd.buckets[0] ?? '';
  const name = 'large.bc';
  const place = { Bucket, Key: `bench/${name}` };
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
  const id = randomUUID();
  const etag = done.ETag?.replaceAll('"', '') ?? '';
  const at = new Date(Date.UTC(2025, 0, 1)).toISOString();
  const { md5: _, ...document } = documentFor({ id, name, at, n: 0, bucket: Bucket, size: bytes, etag });
  await fetch(`${search.url}/${dd.aliases[kernel]}/_doc/${id}?refresh=true`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(document),
  });
  return id;
}
