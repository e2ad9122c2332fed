import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDataDriveSimulator } from './index.js';
import { ObjectStore } from './object-store.js';

const keys = { accessKeyId: 'a', secretAccessKey: 'b' };
let server: Server;
let other: string;
let nobody: string;

const listening = async (one: Server): Promise<string> => {
  await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
};

beforeAll(async () => {
  server = createServer((_, response) => response.setHeader('content-type', 'application/json').end('{}'));
  other = await listening(server);
  const gone = createServer();
  nobody = await listening(gone);
  await new Promise((resolve) => gone.close(resolve));
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

describe('servers that are not what they should be are named', () => {
  it('where no search server answers', async () => {
    const starting = startDataDriveSimulator({ search: { url: nobody }, s3: { endpoint: other, ...keys } });
    await expect(starting).rejects.toThrow(
      new RegExp(`^the search server ${nobody} does not answer: connect ECONNREFUSED`),
    );
  });

  it('where something else answers', async () => {
    const starting = startDataDriveSimulator({ search: { url: other }, s3: { endpoint: other, ...keys } });
    await expect(starting).rejects.toThrow(`${other} is no Elasticsearch or OpenSearch`);
  });

  it('where no object store answers', async () => {
    const store = new ObjectStore({ endpoint: nobody, ...keys });
    await expect(store.createBucket('one')).rejects.toThrow(
      new RegExp(`^bucket one cannot be made at ${nobody}: .*ECONNREFUSED`),
    );
    store.close();
  });
});
