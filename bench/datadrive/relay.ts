/**
 * The least that any process between S3 and an HTTP client does: takes the object and pipes it on. Run as a process of its own with
 * endpoint, login, bucket and key as arguments; prints its port.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3Client } from '@aws-sdk/client-s3';
import { getObject } from './bare.js';

const [endpoint = '', accessKeyId = '', secretAccessKey = '', bucket = '', key = ''] = process.argv.slice(2);
const client = new S3Client({
  ...{ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } },
  responseChecksumValidation: 'WHEN_REQUIRED',
});
const server = createServer(async (_request, response) => {
  (await getObject(client, bucket, key)).pipe(response);
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
