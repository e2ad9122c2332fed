import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { Recipe } from './catalogue.js';
import { freePort, isRoot, runDir, scriptDir } from './paths.js';
import { processOf, run, spawnServer, until } from './processes.js';

const username = 'bench';
const password = 'bench-pw';

/** True when an SSH banner comes back. */
function hasBanner(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const end = (ok: boolean): void => {
      socket.destroy();
      resolve(ok);
    };
    socket.setTimeout(3000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('data', (data) => end(data.toString('latin1').startsWith('SSH-2.0')));
  });
}

const hostKeyOf = (publicKeyFile: string): string => {
  const blob = Buffer.from(readFileSync(publicKeyFile, 'utf8').split(' ')[1] ?? '', 'base64');
  return `sha256:${createHash('sha256').update(blob).digest('hex')}`;
};

async function loginKey(dir: string): Promise<string> {
  const file = join(dir, 'id');
  if (!existsSync(file)) await run('ssh-keygen', ['-q', '-t', 'rsa', '-b', '3072', '-m', 'PEM', '-N', '', '-f', file]);
  return file;
}

const needs = (program: string, name: string): string | undefined => {
  if (!existsSync(program)) return `not installed: run .ci/services ${name}`;
  return isRoot ? undefined : 'needs root: it makes a chroot and a system user of its own';
};

const healthy = (service: { readonly url: string }): Promise<boolean> => hasBanner(Number(new URL(service.url).port));

/** OpenSSH, chrooted, internal-sftp only, key and password login; may write below `/upload`. */
export function openssh(name: string): Recipe {
  return {
    environment: 'MPD_TEST_OPENSSH',
    missing: () => needs('/usr/sbin/sshd', name),
    healthy,
    async start() {
      const dir = runDir(name);
      const port = await freePort();
      const key = await loginKey(dir);
      const script = join(scriptDir, 'sftp', 'start-sshd.sh');
      const pid = Number(await run(script, [dir, String(port), `${key}.pub`], { SFTP_PASSWORD: password }));
      const process = processOf(pid);
      await until(() => hasBanner(port), name, { process, log: join(dir, 'sshd.log') });
      const service = {
        ...{ name, url: `sftp://127.0.0.1:${port}`, username, password, folder: '/upload' },
        hostKey: hostKeyOf(join(dir, 'hostkey.pub')),
        privateKey: readFileSync(key, 'utf8'),
        localFolder: join(dir, 'root', 'upload'),
      };
      return { service, process };
    },
  };
}

/** proftpd's mod_sftp: another implementation of the protocol, with its own rename behaviour. */
export function proftpd(name: string): Recipe {
  return {
    environment: 'MPD_TEST_PROFTPD',
    missing: () => needs('/usr/sbin/proftpd', name),
    healthy,
    async start() {
      const dir = runDir(name);
      const port = await freePort();
      const key = await loginKey(dir);
      const uid = Number(execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' }));
      const gid = Number(execFileSync('id', ['-g', 'nobody'], { encoding: 'utf8' }));
      const upload = join(dir, 'home', 'upload');
      for (const sub of [upload, join(dir, 'keys')]) mkdirSync(sub, { recursive: true });
      chownSync(upload, uid, gid);
      const hostKey = join(dir, 'hostkey');
      if (!existsSync(hostKey))
        await run('ssh-keygen', ['-q', '-t', 'rsa', '-b', '3072', '-m', 'PEM', '-N', '', '-f', hostKey]);
      writeFileSync(join(dir, 'keys', username), await run('ssh-keygen', ['-e', '-f', `${key}.pub`]));
      const login = ['--passwd', `--file=${join(dir, 'passwd')}`, `--name=${username}`, `--uid=${uid}`, `--gid=${gid}`];
      await run(
        'ftpasswd',
        [...login, `--home=${join(dir, 'home')}`, '--shell=/bin/false', '--stdin', '--sha512'],
        {},
        `${password}\n`,
      );
      chmodSync(join(dir, 'passwd'), 0o600);
      const template = readFileSync(join(scriptDir, 'sftp', 'proftpd-sftp.conf.tpl'), 'utf8');
      const config = join(dir, 'proftpd.conf');
      writeFileSync(config, template.replaceAll('@RUN@', dir).replaceAll('@PORT@', String(port)));
      const log = join(dir, 'server.log');
      const process = spawnServer('/usr/sbin/proftpd', ['-n', '-c', config], log);
      await until(() => hasBanner(port), name, { process, log });
      const service = {
        ...{ name, url: `sftp://127.0.0.1:${port}`, username, password, folder: '/upload', localFolder: upload },
        hostKey: hostKeyOf(`${hostKey}.pub`),
        privateKey: readFileSync(key, 'utf8'),
      };
      return { service, process };
    },
  };
}
