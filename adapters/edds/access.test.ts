import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EddsSimulatorOptions, STANDARD } from '../../simulators/edds/index.js';
import type { TestStore } from '../../src/store/testing.js';
import type { EddsTables } from './tables.js';
import { eddsStore, openEdds, openSimulator } from './testing.js';

const openssl = (() => {
  try {
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    return false;
  }
})();

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

  describe.skipIf(!openssl)('by a certificate (skipped where there is no openssl to make one)', () => {
    let dir: string;
    const file = (name: string) => join(dir, name);
    const make = (name: string, subject: string, more: readonly string[] = []) =>
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-days',
          '2',
          '-subj',
          subject,
          '-keyout',
          file(`${name}.key`),
        ]
          .concat(['-out', file(`${name}.pem`)])
          .concat(more),
        { stdio: 'ignore' },
      );
    const text = (name: string) => readFileSync(file(name), 'utf8');
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), 'edds-tls-'));
      make('server', '/CN=edds', ['-addext', 'subjectAltName=IP:127.0.0.1']);
      make('client', '/CN=gateway');
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
