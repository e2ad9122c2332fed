import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificateFor } from '../../test/certificate.js';
import { deliverFiles } from './deliver.js';

const PROFTPD = '/usr/sbin/proftpd';
const reason = !existsSync(PROFTPD) ? 'proftpd is not installed' : process.getuid?.() === 0 ? null : 'needs root';

if (reason !== null && process.env.CI) throw new Error(`delivery by FTP: ${reason}`);

/** A real FTP server, with explicit TLS allowed or required. */
describe.skipIf(reason !== null)(`delivery by FTP and FTPS to proftpd${reason === null ? '' : ` (${reason})`}`, () => {
  let run: string;
  const servers: { readonly process: ChildProcess; readonly port: number }[] = [];

  beforeAll(async () => {
    run = mkdtempSync(join(tmpdir(), 'edds-ftp-'));
    chmodSync(run, 0o755);
    mkdirSync(join(run, 'home'));
    chownSync(join(run, 'home'), 65_534, 65_534);
    const { cert, key } = await certificateFor('localhost');
    writeFileSync(join(run, 'cert'), cert);
    writeFileSync(join(run, 'key'), key, { mode: 0o600 });
    const hash = execFileSync('openssl', ['passwd', '-6', 'bench-pw'], { encoding: 'utf8' }).trim();
    writeFileSync(join(run, 'passwd'), `bench:${hash}:65534:65534::${run}/home:/bin/sh\n`, { mode: 0o600 });
    for (const required of ['off', 'on'] as const) servers.push(await start(required));
    writeFileSync(join(run, 'part'), 'what EDDS has to say');
  });
  afterAll(async () => {
    for (const { process: server } of servers) {
      server.kill('SIGTERM');
      if (server.exitCode === null) await once(server, 'exit');
    }
    rmSync(run, { recursive: true, force: true });
  });

  async function start(required: 'on' | 'off') {
    const port = await freePort();
    const config = join(run, `${required}.conf`);
    const own = (name: string): string => join(run, `${name}-${required}`);
    writeFileSync(
      config,
      `ServerType standalone\nServerName bench\nDefaultAddress 127.0.0.1\nPort ${port}\nUseIPv6 off\nUser nobody\nGroup nogroup
PidFile ${own('pid')}\nScoreboardFile ${own('board')}\nDelayTable ${own('delay')}\nSystemLog ${own('log')}\nTransferLog none\nWtmpLog off
UseReverseDNS off\nRequireValidShell off\nAuthPAM off\nAuthOrder mod_auth_file.c\nAuthUserFile ${run}/passwd\nDefaultRoot ~\nAllowOverwrite on
LoadModule mod_tls.c\nTLSEngine on\nTLSProtocol TLSv1.2 TLSv1.3\nTLSRSACertificateFile ${run}/cert\nTLSRSACertificateKeyFile ${run}/key
TLSRequired ${required}\nTLSVerifyClient off\nTLSOptions NoSessionReuseRequired\n`,
    );
    const server = spawn(PROFTPD, ['-n', '-c', config], { stdio: 'ignore' });
    for (let turn = 0; turn < 100 && !existsSync(own('pid')); turn++) await sleep(50);
    await sleep(200);
    return { process: server, port };
  }

  it.each(['FTP', 'FTPS'] as const)('%s: the file is there complete, under its name alone', async (protocol) => {
    const { port } = servers[protocol === 'FTP' ? 0 : 1]!;
    const server = {
      Protocol: protocol,
      Host: '127.0.0.1',
      Port: port,
      Directory: `/${protocol}`,
      UserName: 'bench',
      Password: 'bench-pw',
    };
    await deliverFiles(server, [{ path: join(run, 'part'), fileName: 'a@b.1.xml' }], []);
    expect(readdirSync(join(run, 'home', protocol))).toEqual(['a@b.1.xml']);
    expect(readFileSync(join(run, 'home', protocol, 'a@b.1.xml'), 'utf8')).toBe('what EDDS has to say');
    await expect(deliverFiles({ ...server, Password: 'wrong' }, [], [])).rejects.toThrow(/incorrect/i);
  });

  it('a server that requires TLS is not given the password without it', async () => {
    const server = {
      Protocol: 'FTP',
      Host: '127.0.0.1',
      Port: servers[1]!.port,
      Directory: '/',
      UserName: 'bench',
      Password: 'bench-pw',
    };
    await expect(deliverFiles(server, [], [])).rejects.toThrow(/SSL\/TLS/);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
