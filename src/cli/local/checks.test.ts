import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkCertificate, checkClock, checkDisk, checkFolder, checkListener, checkNode } from './checks.js';

const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBijCCAS+gAwIBAgIUGvSzSMMiczdbkrW7fKA6Rdsr6L4wCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPbXBkLmV4YW1wbGUuaW50MB4XDTI2MTEyMzE0MTUzMVoXDTI3
MTIyODE0MTUzMVowGjEYMBYGA1UEAwwPbXBkLmV4YW1wbGUuaW50MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEbMx02Ioj62Rl12njZKrHvONTVtn6liWndwsckQzi
Q/bWY4bmG2+JPhRWD/ppSONwKWlF8XvUcNyEQ1DaLw/e5aNTMFEwHQYDVR0OBBYE
FINS4X8OZ4ep3UXZxxgSCeKmPmFDMB8GA1UdIwQYMBaAFINS4X8OZ4ep3UXZxxgS
CeKmPmFDMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAKjKh2tT
diW/K1jAvgC66nW/vJjYWG3y1hJ1VVqeE9mjAiEAtjuGaoFuSqHLmH7CyH29H249
bpenTNfRsqC1yLpGFfQ=
-----END CERTIFICATE-----`;
const DAY = 86_400_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mpd-doctor-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('doctor', () => {
  it.each([
    ['18.20.0', 'bad'],
    ['20.18.9', 'bad'],
    ['20.19.0', 'ok'],
    ['24.1.0', 'ok'],
  ])('finds Node %s %s', (version, state) => expect(checkNode(version).state).toBe(state));

  it.each([
    [0, 'ok', '0 ms'],
    [-1500, 'ok', '1.5 s behind'],
    [5_000, 'warning', '5.0 s ahead of'],
    [-120_000, 'bad', '120.0 s behind'],
  ])('finds a clock that is %d ms off %s', (skew, state, text) => {
    expect(checkClock(skew)).toMatchObject({ state, found: expect.stringContaining(text) });
  });

  it('finds a certificate that ended, ends soon, or is none', () => {
    const until = Date.parse('Dec 28 14:15:31 2027 GMT');
    expect(checkCertificate('http', CERTIFICATE, until - 100 * DAY)).toMatchObject({
      state: 'ok',
      found: expect.stringContaining('mpd.example.int'),
    });
    expect(checkCertificate('http', CERTIFICATE, until - 5 * DAY)).toMatchObject({
      state: 'warning',
      todo: 'renew it soon',
    });
    expect(checkCertificate('http', CERTIFICATE, until + DAY)).toMatchObject({ state: 'bad', todo: 'renew it' });
    expect(checkCertificate('http', 'rubbish')).toMatchObject({
      state: 'bad',
      found: expect.stringContaining('cannot be read'),
    });
  });

  it('finds folders that are not there, are none, or work, and leaves nothing in them', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(checkFolder(join(folder, 'absent'), 'x')).toMatchObject({
      state: 'bad',
      todo: `make it: mkdir -p '${join(folder, 'absent')}'`,
    });
    expect(checkFolder(join(folder, 'file'), 'x')).toMatchObject({
      state: 'bad',
      found: expect.stringContaining('is no folder'),
    });
    expect(checkFolder(folder, 'x')).toMatchObject({ state: 'ok', todo: null });
    expect(checkDisk(join(folder, 'not', 'yet'), 'disk').found).toMatch(/free at/);
  });

  it('finds an address that is not of this machine', async () => {
    expect(await checkListener('http', { host: '192.0.2.1', port: 1 }, false)).toMatchObject({
      state: 'bad',
      todo: 'set listen.http.host to an address of this machine',
    });
  });
});
