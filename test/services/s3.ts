import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Recipe } from './catalogue.js';
import { cacheDir, freePort, runDir } from './paths.js';
import { spawnServer, until } from './processes.js';

const username = 'benchkey';
const password = 'benchsecret';
const answers = async (url: string): Promise<boolean> => (await fetch(url)).status < 500;

interface S3Server {
  readonly image: string;
  readonly containerPort: number;
  readonly containerCommand: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly readyPath: string;
  readonly args: (address: string, data: string, dir: string) => readonly string[];
}

const servers: Readonly<Record<'versitygw' | 'minio', S3Server>> = {
  versitygw: {
    image: 'versity/versitygw:v1.8.0',
    containerPort: 7070,
    containerCommand: ['--iam-dir', '/tmp', 'posix', '/tmp'],
    env: { ROOT_ACCESS_KEY: username, ROOT_SECRET_KEY: password },
    readyPath: '/',
    args: (address, data, dir) => [
      ...['--access', username, '--secret', password, '--port', address],
      ...['--iam-dir', join(dir, 'iam'), '--quiet', 'posix', data],
    ],
  },
  minio: {
    image: 'minio/minio:latest',
    containerPort: 9000,
    containerCommand: ['server', '/data'],
    env: { MINIO_ROOT_USER: username, MINIO_ROOT_PASSWORD: password, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off' },
    readyPath: '/minio/health/ready',
    args: (address, data) => ['server', '--quiet', '--address', address, data],
  },
};

/** An S3 server with path-style addressing, region us-east-1. */
export function s3(name: 'versitygw' | 'minio', version: string): Recipe {
  const server = servers[name];
  const binary = join(cacheDir, 'bin', name);
  return {
    environment: `MPD_TEST_${name.toUpperCase()}`,
    container: {
      image: server.image,
      port: server.containerPort,
      env: server.env,
      command: server.containerCommand,
      service: (port) => ({ name, url: `http://127.0.0.1:${port}`, username, password, version }),
    },
    missing: () => (existsSync(binary) ? undefined : `not installed: run .ci/services ${name}`),
    healthy: (service) => answers(service.url + server.readyPath),
    async start() {
      const dir = runDir(name);
      for (const sub of ['data', 'iam']) mkdirSync(join(dir, sub), { recursive: true });
      const port = await freePort();
      const log = join(dir, 'server.log');
      const args = server.args(`127.0.0.1:${port}`, join(dir, 'data'), dir);
      const process = spawnServer(binary, args, log, server.env);
      const url = `http://127.0.0.1:${port}`;
      await until(() => answers(url + server.readyPath), name, { process, log });
      return { service: { name, url, username, password, version }, process };
    },
  };
}
