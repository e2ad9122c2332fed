import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EddsSimulatorOptions, STANDARD } from '../../simulators/edds/index.js';
import type { TestStore } from '../../src/store/testing.js';
import { certificateFor } from '../../test/certificate.js';
import type { EddsTables } from './tables.js';
import { eddsStore, openEdds, openSimulator } from './testing.js';

describe('a site lets the gateway in', () => {
  let store: TestStore<EddsTables>;
  beforeAll(async () => {
    store = await eddsStore();
  });
  afterAll(() => store?.close());

  const health = async (options: EddsSimulatorOptions, config: Record<string, unknown>) => {
    const simulator = await openSimulator(options);
    try {
      const opened = await openEdds(store, simulator, config);
      try {
        return { ...(await opened.backend.check()), logins: simulator.control.calls('login') };
      } finally {
        await opened.close();
      }
    } finally {
      await simulator.stop();
    }
  };
  const well = { ok: true, reason: expect.stringMatching(/^EDDS answers/) };
  const header = { name: 'Token', namespace: 'urn:edds-sim:service:1' };

  it.each([
    ['argument', { send: 'argument' }],
    ['header', { send: 'header', header }],
    ['cookie', { send: 'cookie' }],
  ] as const)('by a token of its login, sent as %s and in no other way', async (way, auth) => {
    const shape = { ...STANDARD, token: [way] };
    expect(await health({ shape }, { id: `way-${way}`, site: { auth } })).toEqual({ ...well, logins: 1 });
    const other = way === 'argument' ? { send: 'cookie' } : { send: 'argument' };
    expect((await health({ shape }, { id: `not-${way}`, site: { auth: other } })).ok).toBe(false);
  });

  it('by user and password with each call (HTTP Basic), without a login', async () => {
    const shape = { ...STANDARD, token: ['basic' as const] };
    const site = { auth: { method: 'basic' } };
    expect(await health({ shape }, { id: 'basic', site })).toEqual({ ...well, logins: 0 });
    const wrong = await health({ shape }, { id: 'basic-wrong', password: 'hidden-7', site });
    expect(wrong.ok).toBe(false);
    expect(wrong.reason).toContain('log in first');
    expect(wrong.reason).not.toContain('hidden-7');
  });

  describe('by a certificate', () => {
    let dir: string;
    const file = (name: string) => join(dir, name);
    const text = (name: string) => readFileSync(file(name), 'utf8');
    beforeAll(async () => {
      dir = mkdtempSync(join(tmpdir(), 'edds-tls-'));
      for (const [name, subject] of [
        ['server', '127.0.0.1'],
        ['client', 'gateway'],
      ] as const) {
        const { cert, key } = await certificateFor(subject);
        writeFileSync(file(`${name}.pem`), cert);
        writeFileSync(file(`${name}.key`), key);
      }
    });
    afterAll(() => rmSync(dir, { recursive: true, force: true }));

    it('of its own, over a connection that it trusts by the authority of the site', async () => {
      const tls = { cert: text('server.pem'), key: text('server.key'), clientCa: text('client.pem') };
      const own = { ca: file('server.pem'), cert: file('client.pem'), key: file('client.key') };
      expect(await health({ tls }, { id: 'certificate', tls: own })).toMatchObject(well);
      const { cert: _, key: __, ...without } = own;
      expect((await health({ tls }, { id: 'without', tls: without })).ok).toBe(false);
      const { ca: ___, ...untrusted } = own;
      const refused = await health({ tls }, { id: 'untrusted', tls: untrusted });
      expect([refused.ok, refused.reason]).toEqual([false, expect.stringMatching(/self[- ]signed/i)]);
    });
  });
});
