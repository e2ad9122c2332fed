import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { DataDriveSimulator } from '../../simulators/datadrive/index.js';
import { type CliRun, runCli } from '../../src/cli/testing.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import { type TestGateway, testGateway } from '../gateway.js';
import { describeWithService } from '../services/index.js';
import { configFor } from './backend.js';
import { startOn } from './harness.js';

const DAY = Date.parse('2021-03-02T00:00:00Z');

/** Each finds something, and leaves something out. */
const SEARCHES: Readonly<Record<string, object>> = {
  kernels: { bool: { must: [{ term: { ocs_type_name: 'm2020-spice-kernel' } }] } },
  'new or MK': { bool: { should: [{ range: { product_version: { gt: 2 } } }, { match: { kernel_type: 'MK' } }] } },
  folder: { bool: { filter: { prefix: { ocs_path: '/spice/ck' } }, must_not: { term: { product_version: 7 } } } },
  'without version': { bool: { must_not: [{ exists: { field: 'product_version' } }] } },
  owned: { terms: { ocs_created_by: ['user-b'] } },
  // What a date leaves open, the index fills in at the upper ends.
  'until a day': { range: { ocs_created_at: { lte: '2021-03-02' } } },
  'until a second': { range: { ocs_created_at: { lte: '2021-03-02T00:00:00Z' } } },
  'after a second': { range: { ocs_created_at: { gt: '2021-03-02T00:00:00Z' } } },
  'before a day': { range: { ocs_created_at: { lt: '2021-03-02' } } },
  'on a day': { term: { ocs_created_at: '2021-03-02' } },
};

await describeWithService(['elasticsearch', 'versitygw'], 'saved searches of DataDrive', (index, s3) => {
  let dd: DataDriveSimulator;
  let gateway: TestGateway;
  let folder: string;
  let aliases: string;
  const put = (name: string, metadata: object, more: { createdAt?: number; owner?: string } = {}) => {
    const type = 'kernel_type' in metadata ? 'm2020-spice-kernel' : 'm2020-spice-inventory';
    const file = { package: 'm2020-spice', fullName: `/spice/${name}`, type, body: Buffer.from(name) };
    return dd.put({ ...file, metadata: metadata as Record<string, unknown>, ...more });
  };
  const save = (ss_name: string, ss_query: object, ss_type: 'personal' | 'general' = 'general', ss_owner = 'user-a') =>
    dd.addSavedSearch({ ss_name, ss_type, ss_owner, ss_query });
  const cli = (...more: string[]): Promise<CliRun> =>
    runCli(['filters', 'import', '--backend', 'm2020', '--index', savedIndex(), ...more], { cwd: folder });
  const savedIndex = () => aliases.split(',')[0]!.replace(/m2020-.*/, 'ocs-saved-searches');

  /** What the index itself finds. */
  async function found(query: object): Promise<string[]> {
    const response = await fetch(`${index.url}/${aliases}/_search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ size: 100, query }),
    });
    const { hits } = (await response.json()) as { hits: { hits: { _source: { ocs_full_name: string } }[] } };
    return hits.hits.map(({ _source }) => _source.ocs_full_name).sort();
  }
  async function listed(filter: FilterTree): Promise<string[]> {
    const query = { filter, created: null, content: null };
    const signal = AbortSignal.timeout(30_000);
    const found = await gateway.gateway.catalogue.listBounded(query, 100, signal, gateway.operator);
    return found.map(({ path }) => `/${path}`).sort();
  }

  beforeAll(async () => {
    dd = await startOn(index, s3);
    aliases = Object.values(dd.aliases).join(',');
    folder = mkdtempSync(join(tmpdir(), 'mpd-import-'));
    await put('ck/old.bc', { kernel_type: 'CK', product_version: 1 }, { createdAt: DAY - 1 });
    await put('ck/new.bc', { kernel_type: 'CK', product_version: 7 }, { createdAt: DAY });
    await put('mk/all.tm', { kernel_type: 'MK', product_version: 2 }, { createdAt: DAY + 999 });
    await put('readme.txt', {}, { createdAt: DAY + 1000, owner: 'user-b' });
    await put('late.txt', {}, { createdAt: DAY + 86_400_000 });
    for (const [name, query] of Object.entries(SEARCHES)) await save(name, query);
    await save('mine', { term: { kernel_type: 'CK' } }, 'personal');
    await save('text', { bool: { must: [{ term: { kernel_type: 'CK' } }, { query_string: { query: 'rover' } }] } });
    await save('of a stranger', { match_all: {} }, 'personal', 'stranger');
    gateway = await testGateway({
      config: {
        access: { principals: [{ id: 'operator', role: 'operator' }, { id: 'user-a' }, { id: 'ops' }] },
        backends: [{ ...configFor(dd, s3), kind: 'datadrive' }],
      },
    });
    const config = {
      store: { url: gateway.databaseUrl },
      access: { principals: [{ id: 'operator', role: 'operator' }, { id: 'user-a' }, { id: 'ops' }] },
      backends: [{ ...configFor(dd, s3), kind: 'datadrive' }],
    };
    writeFileSync(join(folder, 'gateway.yaml'), stringify(config));
  });
  afterAll(async () => {
    await gateway?.close();
    await dd?.stop({ destroy: true });
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  it('become named filters that find what the search finds; what cannot be expressed is said', async () => {
    const dry = await cli('--dry-run', '--json');
    expect(dry.stderr).toContain(`${Object.keys(SEARCHES).length + 1} of ${Object.keys(SEARCHES).length + 3} can be`);
    expect(await gateway.gateway.filters.list(gateway.operator)).toEqual([]);

    const run = await cli('--json');
    expect(run.code, run.stderr).toBe(0);
    expect(run.json).toEqual(dry.json);
    const outcome = new Map(run.json.map((one) => [one.search, one]));
    expect(outcome.get('user-a/text')).toMatchObject({
      filter: null,
      reason: expect.stringContaining('full text: {"query_string"'),
    });
    expect(outcome.get('stranger/of a stranger')).toMatchObject({
      filter: null,
      reason: expect.stringContaining('stranger'),
    });
    expect(outcome.get('user-a/new or MK')).toMatchObject({ filter: 'user-a/new-or-MK', shared: true, reason: null });

    const kept = new Map((await gateway.gateway.filters.list(gateway.operator)).map((one) => [one.name, one]));
    expect(kept.get('mine')).toMatchObject({ owner: 'user-a', shared: false });
    const everything = await found({ match_all: {} });
    expect(everything).toHaveLength(5);
    for (const [name, query] of Object.entries(SEARCHES)) {
      const expected = await found(query);
      expect(expected.length, name).toBeGreaterThan(0);
      expect(expected.length, name).toBeLessThan(everything.length);
      const { filter, shared } = kept.get(name.replaceAll(' ', '-'))!;
      expect(shared).toBe(true);
      expect(await listed(filter), name).toEqual(expected);
    }
  });

  it('are imported again over themselves, but never over a filter of somebody', async () => {
    const ops = await gateway.gateway.access.principal('ops');
    const own = { name: 'mine', filter: { productTypes: ['own'] }, description: 'my own', shared: false };
    await gateway.gateway.filters.put(own, ops);
    for (let i = 0; i < 2; i++) {
      const run = await cli('--owner', 'ops', '--json');
      const outcome = new Map(run.json.map((one) => [one.search, one]));
      expect(outcome.get('user-a/mine')).toMatchObject({ filter: null, reason: expect.stringContaining('my own') });
      expect(outcome.get('stranger/of a stranger')).toMatchObject({ filter: 'ops/of-a-stranger', shared: false });
    }
    expect((await gateway.gateway.filters.get('mine', ops)).filter).toEqual(own.filter);
  });

  it('are asked of a backend that can have them, from an index that is there', async () => {
    const unknown = await runCli(['filters', 'import', '--backend', 'other'], { cwd: folder });
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('no backend of kind datadrive') });
    const missing = await cli('--index', 'not-there');
    expect(missing.code).not.toBe(0);
    expect(missing.stderr).toContain('not-there');
  });
});
