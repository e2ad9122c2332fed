import { unknown } from '../../src/mpd/index.js';

/** Where a file's bytes are. */
export interface ObjectPlace {
  readonly bucket: string;
  readonly key: string;
}

/** `s3://bucket/key`, with any character in the key; the bucket must be one of the listed. Unknown of class `refuse` otherwise. */
export function placeOf(url: string, buckets: readonly string[] | undefined): ObjectPlace {
  const match = /^s3:\/\/([^/]+)\/(.+)$/s.exec(url);
  if (!match) throw unknown(null, 'the bytes of this product are not in S3');
  const [, bucket = '', key = ''] = match;
  if (buckets && !buckets.includes(bucket)) throw unknown(null, `bucket ${bucket} is not among those that are read`);
  return { bucket, key };
}
