import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSealer } from './delivery/seal.js';
import type { DeliveryTarget, TargetConfig } from './target.js';
import { createTargets } from './targets.js';

const target = (...schemes: string[]): DeliveryTarget => ({
  schemes,
  capabilities: { atomicRename: true, posixRename: true, resume: false, remoteChecksum: false },
  probe: async () => ({ status: 'ok' }),
  put: () => Promise.reject(new Error('not asked for')),
  stat: async () => null,
  clean: async () => undefined,
  check: async () => ({ ok: true, reason: 'fine' }),
  close: async () => undefined,
});

const config = (more: Partial<TargetConfig> = {}): TargetConfig => ({
  allow: [],
  named: { ops: { uri: 'sftp://ops@host:22/in/' }, local: { uri: 'file:///data' } },
  inlineCredentials: false,
  ...more,
});
const sealer = createSealer(randomBytes(32));
const targets = (more: Partial<TargetConfig> = {}) =>
  createTargets({ targets: [target('file'), target('ftp', 'ftps'), target('sftp')], config: config(more), sealer });

describe('targets', () => {
  it('are found by scheme', () => {
    const { destination, deliverTo, secret } = targets().accept('ftps://user@host/dir');
    expect(destination.target.schemes).toContain('ftps');
    expect([deliverTo, secret]).toEqual(['ftps://user@host/dir', null]);
  });

  it.each([
    ['gopher://x/', /no target for gopher; supported: file, ftp, ftps, sftp, named/],
    ['named:nobody', /no target is named "nobody"; named targets: local, ops/],
    ['named:toString', /no target is named/],
    ['named:ops/../etc', /not a plain relative path/],
    ['named:ops/%2e%2e/etc', /not a plain relative path/],
    ['named:ops/a%2F..%2F..%2Fb', /not a plain relative path/],
    ['not a uri', /is no URI/],
    ['sftp://u:secret@host/in', /passwords in the URI are refused/],
  ])('%s is refused with Order Failed, and never shows a password', (deliverTo, reason) => {
    const attempt = () => targets().accept(deliverTo);
    expect(attempt).toThrowError(expect.objectContaining({ code: 'Order Failed', class: 'refuse' }));
    expect(attempt).toThrow(reason);
    expect(attempt).not.toThrow(/secret/);
  });

  it('stand behind names, with folders below them', () => {
    const uri = (deliverTo: string) => targets().accept(deliverTo).destination.uri.href;
    expect(uri('named:ops')).toBe('sftp://ops@host:22/in/');
    expect(uri('named:ops/sub/a%20b')).toBe('sftp://ops@host:22/in/sub/a%20b');
    expect(uri('named:ops/sub/ü#?/')).toBe('sftp://ops@host:22/in/sub/%C3%BC%23%3F');
    expect(targets().accept('named:local/x').deliverTo).toBe('named:local/x');
  });

  it('keep an inline password sealed when that is allowed, and use it again', () => {
    const all = targets({ inlineCredentials: true });
    const accepted = all.accept('sftp://u:p%40ss@host/in');
    expect(accepted.deliverTo).toBe('sftp://u@host/in');
    expect(Buffer.from(accepted.secret!).toString('latin1')).not.toContain('p%40ss');
    expect(all.resolve(accepted.deliverTo, accepted.secret).uri.password).toBe('p%40ss');
    const other = createTargets({ targets: [target('sftp')], config: config(), sealer: createSealer(randomBytes(32)) });
    expect(() => other.resolve(accepted.deliverTo, accepted.secret)).toThrowError(
      expect.objectContaining({ code: 'Delivery Failed', class: 'refuse' }),
    );
  });

  it('tell how they are', async () => {
    expect((await targets().checks()).map(({ id, ok }) => [id, ok])).toEqual([
      ['file', true],
      ['ftp,ftps', true],
      ['sftp', true],
    ]);
  });
});

describe('a seal', () => {
  it('opens only untouched', () => {
    const sealed = sealer.seal('geheim ß');
    expect(sealer.open(sealed)).toBe('geheim ß');
    expect(sealer.seal('geheim ß')).not.toEqual(sealed);
    sealed[sealed.length - 1]! ^= 1;
    expect(() => sealer.open(sealed)).toThrow();
  });
  it('needs a key of 32 bytes', () => expect(() => createSealer(new Uint8Array(16))).toThrow(/32 bytes/));
});
