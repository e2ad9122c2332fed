import type { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { DataDriveSimulatorOptions } from './options.js';

/** The buckets of the packages. */
export class ObjectStore {
  readonly #client: S3Client;
  readonly #endpoint: string;

  constructor(options: DataDriveSimulatorOptions['s3']) {
    const { accessKeyId, secretAccessKey } = options;
    this.#endpoint = options.endpoint;
    this.#client = new S3Client({
      endpoint: options.endpoint,
      region: options.region ?? 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
    });
  }

  async createBucket(bucket: string): Promise<void> {
    try {
      await this.#client.send(new CreateBucketCommand({ Bucket: bucket }));
    } catch (error) {
      const { name, message } = error as Error;
      if (/BucketAlreadyOwnedByYou|BucketAlreadyExists/.test(name)) return;
      throw new Error(`bucket ${bucket} cannot be made at ${this.#endpoint}: ${message || name}`, { cause: error });
    }
  }

  /** Stores the bytes and gives the ETag without quotes: an md5, or `<hex>-1` by multipart upload. */
  async put(bucket: string, key: string, body: Uint8Array, multipart: boolean): Promise<string> {
    const place = { Bucket: bucket, Key: key };
    if (!multipart) return bare((await this.#client.send(new PutObjectCommand({ ...place, Body: body }))).ETag);
    const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand(place));
    const part = { ...place, UploadId, PartNumber: 1 };
    const { ETag } = await this.#client.send(new UploadPartCommand({ ...part, Body: body }));
    const done = { ...place, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } };
    return bare((await this.#client.send(new CompleteMultipartUploadCommand(done))).ETag);
  }

  async get(bucket: string, key: string): Promise<{ readonly size: number; readonly stream: Readable }> {
    const answer = await this.#client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return { size: answer.ContentLength ?? 0, stream: answer.Body as Readable };
  }

  async delete(bucket: string, key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  }

  /** A link that anybody can GET for so many seconds. */
  presign(bucket: string, key: string, seconds: number): Promise<string> {
    return getSignedUrl(this.#client, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: seconds });
  }

  /** Removes a bucket with everything in it. */
  async dropBucket(bucket: string): Promise<void> {
    for (;;) {
      const page = await this.#client.send(new ListObjectsV2Command({ Bucket: bucket }));
      const keys = (page.Contents ?? []).map((object) => object.Key ?? '');
      await Promise.all(keys.map((key) => this.delete(bucket, key)));
      if (!page.IsTruncated) break;
    }
    await this.#client.send(new DeleteBucketCommand({ Bucket: bucket }));
  }

  close(): void {
    this.#client.destroy();
  }
}

const bare = (etag: string | undefined): string => (etag ?? '').replaceAll('"', '');
