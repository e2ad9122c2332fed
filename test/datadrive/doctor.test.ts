import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { DataDriveSimulator } from '../../simulators/datadrive/index.js';
import { runCli } from '../../src/cli/testing.js';
import { type TestStore, testStore } from '../../src/store/testing.js';
import { describeWithService } from '../services/index.js';
import { startOn } from './harness.js';

interface Finding {
  readonly part: string;
  readonly state: string;
  readonly found: string;
  readonly todo: string | null;
}

await describeWithService(['elasticsearch', 'versitygw'], 'doctor --backend on DataDrive', (index, s3) => {
  let dd: DataDriveSimulator;
  let store: TestStore<unknown>;
  let guarded: Server;
  const dir = mkdtempSync(join(tmpdir(), 'mpd-doctor-'));

  beforeAll(async () => {
    dd = await startOn(index, s3);
    store = await testStore();
    for (const name of ['a.bc', 'b.bc'])
      await dd.put({
        ...{ package: 'm2020-spice', fullName: `/spice/ck/${name}`, type: 'm2020-spice-kernel' },
        ...{ body: Buffer.from(name), metadata: { kernel_type: 'CK' } },
      });
    // The server asks for a password, as a secured one does.
    guarded = createServer(async (request, response) => {
      const expected = `Basic ${Buffer.from('reader:right').toString('base64')}`;
      response.setHeader('content-type', 'application/json');
      if (request.headers.authorization !== expected) {
        const error = { type: 'security_exception', reason: 'unable to authenticate user [reader]' };
        response.writeHead(401, { 'www-authenticate': 'Basic realm="security"' });
        response.end(JSON.stringify({ error, status: 401 }));
        return;
      }
      const body = Buffer.concat(await (request as AsyncIterable<Buffer> & { toArray(): Promise<Buffer[]> }).toArray());
      const answer = await fetch(index.url + request.url, {
        method: request.method ?? 'GET',
        ...(body.length > 0 && { body, headers: { 'content-type': 'application/json' } }),
      });
      response.writeHead(answer.status).end(await answer.text());
    });
    await new Promise<void>((resolve) => guarded.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    guarded.close();
    await store.close();
    await dd.stop({ destroy: true });
    rmSync(dir, { recursive: true });
  });

  const prefix = () => dd.buckets[0]?.replace('m2020-spice', '') ?? '';
  const plain = (text: string): string =>
    text
      .replaceAll(prefix(), '')
      .replaceAll(index.url, 'https://es')
      .replaceAll(s3.url, 'https://s3')
      .replaceAll(dd.url, 'https://datadrive')
      .replace(/http:\/\/127\.0\.0\.1:\d+/g, 'https://guarded');

  /** Elasticsearch and S3 themselves, without anything of the stand-in between. */
  const backend = (): Record<string, unknown> => ({
    ...{ id: 'm2020', kind: 'datadrive', domain: ['nasa', 'm2020'] },
    elasticsearch: { url: index.url, aliases: Object.values(dd.aliases) },
    s3: {
      ...{ endpoint: s3.url, region: 'us-east-1', accessKeyId: s3.username, secretAccessKey: s3.password },
      buckets: dd.buckets,
    },
    middleware: { url: dd.url },
    login: { family: 'csso', token: dd.cookie('user-a').replace(/^[^=]+=/, '') },
  });

  async function doctor(change: Record<string, unknown> = {}, args: readonly string[] = ['--json']) {
    const file = join(dir, 'gateway.yaml');
    writeFileSync(file, stringify({ store: { url: store.url }, backends: [{ ...backend(), ...change }] }));
    const run = await runCli(['doctor', '--backend', 'm2020', '--config', file, ...args], {
      cwd: dir,
      ...(args.includes('--json') ? {} : { columns: 160 }),
    });
    const findings = args.includes('--json')
      ? run.json.map((one) => JSON.parse(plain(JSON.stringify(one))) as unknown as Finding)
      : [];
    return {
      code: run.code,
      stdout: plain(run.stdout),
      findings,
      wrong: findings.filter(({ state }) => state !== 'ok'),
    };
  }

  it('says of everything that the configuration names that it is there', async () => {
    const { code, stdout } = await doctor({}, []);
    expect(code).toBe(0);
    await expect(stdout).toMatchFileSnapshot('doctor.txt');
  });

  it.each([
    [
      'an alias that is not there',
      () => ({
        elasticsearch: { url: index.url, aliases: [...Object.values(dd.aliases), `${prefix()}m2020-mosaic`] },
      }),
      {
        part: 'backend m2020: alias m2020-mosaic',
        found: 'no alias or index has this name',
        todo: /^correct elasticsearch\.aliases; there are: .*m2020-spice-kernel/,
      },
    ],
    [
      'a field that is not there',
      () => ({ fields: { created: 'ocs_creation_time' } }),
      {
        part: 'backend m2020: field created = ocs_creation_time',
        found: 'not in the mapping of m2020-spice-inventory, m2020-spice-kernel, m2020-spice-label',
        todo: /^name the field that holds it under fields\.created; dates there: ocs_created_at, ocs_updated_at$/,
      },
    ],
    [
      'a field of another kind',
      () => ({ fields: { updated: 'ocs_etag' } }),
      {
        part: 'backend m2020: field updated = ocs_etag',
        found:
          'is keyword in m2020-spice-inventory, keyword in m2020-spice-kernel, keyword in m2020-spice-label, and has to be date or date-nanos',
        todo: /dates there: ocs_created_at, ocs_updated_at$/,
      },
    ],
    [
      'a bucket that is not there',
      () => ({ s3: { ...(backend().s3 as object), buckets: [...dd.buckets, 'm2020-ids-bucket'] } }),
      {
        part: 'backend m2020: bucket m2020-ids-bucket',
        found: 'does not exist at https://s3',
        todo: /^correct s3\.buckets, or s3\.endpoint/,
      },
    ],
    [
      'a bucket that files name and the configuration does not',
      () => ({ s3: { ...(backend().s3 as object), buckets: [dd.buckets[1]] } }),
      {
        part: 'backend m2020: sample of m2020-spice-kernel',
        found: 'bucket m2020-spice is not among those that are read',
        todo: /^list its bucket under s3\.buckets/,
      },
    ],
    [
      'a wrong password of the index',
      () => {
        const { port } = guarded.address() as AddressInfo;
        const elasticsearch = { url: `http://127.0.0.1:${port}`, username: 'reader', password: 'wrong' };
        return { elasticsearch: { ...elasticsearch, aliases: Object.values(dd.aliases) } };
      },
      {
        part: 'backend m2020: elasticsearch',
        found: 'https://guarded: the search server refused the login (401)',
        todo: /^correct elasticsearch\.username and elasticsearch\.password$/,
      },
    ],
    [
      'a wrong password of the object store',
      () => ({ s3: { ...(backend().s3 as object), secretAccessKey: 'wrong', buckets: [dd.buckets[0]] } }),
      {
        part: 'backend m2020: bucket m2020-spice',
        found: 'the account is refused (403) at https://s3',
        todo: /^see s3\.accessKeyId and secretAccessKey/,
      },
    ],
    [
      'a token that has ended',
      () => ({ login: { family: 'csso', token: 'a-token-of-yesterday' } }),
      {
        part: 'backend m2020: event feed https://datadrive',
        found: 'does not take the login (401)',
        todo: /^renew the token of login$/,
      },
    ],
    [
      'a server that is not there',
      () => ({ elasticsearch: { url: 'http://127.0.0.1:9', aliases: ['*'] } }),
      {
        part: 'backend m2020: elasticsearch',
        found: 'https://guarded: https://guarded: connect ECONNREFUSED 127.0.0.1:9',
        todo: /^see elasticsearch\.url/,
      },
    ],
  ])('names %s and what to do about it', async (_, change, { part, found, todo }) => {
    const { code, wrong } = await doctor(change());
    expect(code).toBe(10);
    expect(wrong).toContainEqual({ part, state: 'bad', found, todo: expect.stringMatching(todo) });
    // Whatever else is bad is a consequence of it.
    expect(wrong.length).toBeLessThanOrEqual(3);
  });

  it('takes the right password', async () => {
    const { port } = guarded.address() as AddressInfo;
    const elasticsearch = { url: `http://127.0.0.1:${port}`, username: 'reader', password: 'right' };
    const { code, findings } = await doctor({
      elasticsearch: { ...elasticsearch, aliases: Object.values(dd.aliases) },
    });
    expect(code).toBe(0);
    expect(findings[0]).toMatchObject({ found: 'https://guarded answers, and the user reader is taken' });
  });
});
