import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeWithService, fromEnvironment, service } from './index.js';
import { withLock } from './lock.js';
import { stateDir } from './paths.js';
import { isAlive, processOf, spawnServer, stopProcess, until } from './processes.js';

await describeWithService('elasticsearch', 'search server', (es) => {
  it('answers as Elasticsearch 8, and the second request finds the same server', async () => {
    const response = await fetch(`${es.url}/_cluster/health`);
    expect(response.headers.get('x-elastic-product')).toBe('Elasticsearch');
    expect(await service('elasticsearch')).toEqual(es);
  });
});

await describeWithService('elasticsearch7', 'search server', (es) => {
  it('is version 7.17', async () => {
    const nodes = (await (await fetch(`${es.url}/_nodes`)).json()) as { nodes: Record<string, { version: string }> };
    expect(Object.values(nodes.nodes).map((node) => node.version)).toEqual([expect.stringMatching(/^7\.17\./)]);
  });
});

await describeWithService('opensearch', 'search server', (os) => {
  it('answers as OpenSearch 2', async () => {
    const root = (await (await fetch(os.url)).json()) as { version: { number: string; distribution: string } };
    expect(root.version).toMatchObject({ distribution: 'opensearch', number: expect.stringMatching(/^2\./) });
  });
});

for (const name of ['versitygw', 'minio'] as const)
  await describeWithService(name, 'object store', (s3) => {
    it('refuses a request without a login', async () => {
      expect((await fetch(`${s3.url}/`)).status).toBe(403);
    });
  });

for (const name of ['openssh', 'proftpd'] as const)
  await describeWithService(name, 'sftp server', (sftp) => {
    it('tells its host key and where to write', () => {
      expect(sftp.hostKey).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(sftp.folder).toBe('/upload');
    });
  });

await describeWithService('postgres', 'database', (db) => {
  it('is recorded with its process in the state folder', () => {
    const state = JSON.parse(readFileSync(`${stateDir}/postgres.json`, 'utf8')) as { service: unknown };
    expect(state.service).toEqual(db);
  });
});

it('takes credentials, folder and host key out of an environment URL', () => {
  expect(fromEnvironment('openssh', 'sftp://me:p%40ss@host.example:2022/in?hostKey=sha256:ab')).toEqual({
    ...{ name: 'openssh', url: 'sftp://host.example:2022', username: 'me', password: 'p@ss' },
    ...{ hostKey: 'sha256:ab', folder: '/in' },
  });
});

it('lets one holder at a time into a lock', async () => {
  let inside = 0;
  const most = await Promise.all(
    Array.from({ length: 5 }, () =>
      withLock('test-lock', async () => {
        const now = ++inside;
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside--;
        return now;
      }),
    ),
  );
  expect(most).toEqual([1, 1, 1, 1, 1]);
});

it('tells a server that ended at once from one that is slow, with its last words', async () => {
  const log = `${stateDir}/ended.log`;
  const dead = spawnServer('/bin/sh', ['-c', 'sleep 0.1; echo no such option; exit 1'], log);
  await expect(until(async () => false, 'demo', { process: dead, log })).rejects.toThrow(
    /ended before.*no such option/s,
  );
});

it('stops exactly the process it started', async () => {
  const server = spawnServer('/bin/sleep', ['60'], `${stateDir}/sleep.log`);
  expect(isAlive({ ...server, started: '1' })).toBe(false);
  await stopProcess({ ...server, started: '1' });
  expect(isAlive(server)).toBe(true);
  await stopProcess(server);
  expect(isAlive(server)).toBe(false);
  expect(isAlive(processOf(process.pid))).toBe(true);
});
