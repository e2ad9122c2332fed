import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type TestStore, testStore } from '../../src/store/testing.js';
import { describeWithService, unique } from '../services/index.js';
import { freePort } from '../services/paths.js';

const ROOT = join(import.meta.dirname, '../..');
const TSX = import.meta.resolve('tsx');
const BIN = join(ROOT, 'src/cli/bin.ts');
const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');

interface ComposeService {
  readonly image?: string;
  readonly build?: string;
  readonly command?: string | readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly volumes?: readonly string[];
  readonly profiles?: readonly string[];
  readonly healthcheck?: object;
}

/** `${NAME:-default}` as compose reads it. */
const filled = (value: string, env: Readonly<Record<string, string>> = {}): string =>
  value.replace(/\$\{(\w+):-([^}]*)\}/g, (_, name: string, other: string) => env[name] ?? other);

const compose = parse(text) as {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly configs: Readonly<Record<string, { readonly content: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};

describe('docker-compose.yml', () => {
  const services = Object.entries(compose.services);

  it('names only what is there: services to wait for, volumes, configurations, build folders', () => {
    for (const [name, service] of services) {
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(compose.services, `${name} waits for ${other}`).toHaveProperty(other);
        expect(condition).toBe('service_healthy');
        expect(compose.services[other], `${other} can be waited for`).toHaveProperty('healthcheck');
      }
      for (const volume of service.volumes ?? []) {
        const [source = ''] = volume.split(':');
        if (!source.startsWith('.')) expect(compose.volumes, `volume of ${name}`).toHaveProperty(source);
      }
      for (const { source } of service.configs ?? [])
        for (const config of [filled(source), 'datadrive.yaml']) expect(Object.keys(compose.configs)).toContain(config);
      if (service.build) expect(existsSync(join(ROOT, service.build, 'Dockerfile'))).toBe(true);
      else expect(service.image, name).toMatch(/^[\w./-]+(:[\w.-]+)?$/);
    }
  });

  it('needs no variable to be set', () => {
    expect(text.match(/\$\{\w+\}/g)).toBeNull();
    expect(text.match(/\$\{\w+:-[^}]+\}/g)?.length).toBeGreaterThan(5);
  });

  it('gives each configuration every variable that it reads', () => {
    const given = Object.keys(compose.services.gateway?.environment ?? {});
    for (const { content } of Object.values(compose.configs))
      for (const [, name] of content.matchAll(/env:(\w+)/g)) expect(given).toContain(name);
  });
});

/** Commands of a console block with what is shown below each. */
function consoleOf(markdown: string, heading: string): readonly { readonly command: string; readonly shown: string }[] {
  const section = markdown.slice(markdown.indexOf(heading));
  const block = /```console\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const lines = part.split('\n');
      let end = 0;
      while (lines[end]?.endsWith('\\')) end++;
      return {
        command: lines.slice(0, end + 1).join('\n'),
        shown: lines
          .slice(end + 1)
          .join('\n')
          .trim(),
      };
    });
}

await describeWithService(['elasticsearch', 'versitygw'], 'the session of the README on a DataDrive', (index, s3) => {
  const session = consoleOf(readFileSync(join(ROOT, 'README.md'), 'utf8'), '### The same in front of a DataDrive');
  const dir = mkdtempSync(join(tmpdir(), 'mpd-compose-'));
  const prefix = `${unique('rd')}-`;
  const running: ChildProcess[] = [];
  let store: TestStore<unknown>;
  let port: number;
  let simulatorPort: number;
  const env: Record<string, string> = {};

  /** A program of the product in a process of its own, as the container runs it; resolves with its first line. */
  async function run(args: readonly string[], more: Readonly<Record<string, string>>): Promise<string> {
    const child = spawn(process.execPath, ['--import', TSX, BIN, ...args], {
      cwd: dir,
      env: { ...process.env, NODE_OPTIONS: '', TSX_TSCONFIG_PATH: join(ROOT, 'tsconfig.json'), ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(child);
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    for await (const line of createInterface({ input: child.stdout })) return line;
    throw new Error(`${args.join(' ')} ended: ${errors}`);
  }

  /** Names inside the stack → addresses of this machine; nothing else of the file changes. */
  const here = (value: string): string =>
    value
      .replaceAll('http://elasticsearch:9200', index.url)
      .replaceAll('http://minio:9000', s3.url)
      .replaceAll('http://datadrive:9444', `http://127.0.0.1:${simulatorPort}`)
      .replaceAll('0.0.0.0', '127.0.0.1')
      .replaceAll('9444', String(simulatorPort))
      .replaceAll('/data/', `${dir}/`);

  beforeAll(async () => {
    store = await testStore();
    [port, simulatorPort] = [await freePort(), await freePort()];
    for (const folder of ['bin', 'datadrive', 'delivered']) mkdirSync(join(dir, folder));
    const config = here(compose.configs['datadrive.yaml']?.content ?? '')
      .replace('host: 127.0.0.1', `host: 127.0.0.1, port: ${port}`)
      // Other tests use the same servers.
      .replaceAll('m2020-spice', `${prefix}m2020-spice`);
    writeFileSync(join(dir, 'gateway.yaml'), config);
    const account = { MINIO_ROOT_USER: s3.username ?? '', MINIO_ROOT_PASSWORD: s3.password ?? '' };
    const environment = Object.fromEntries(
      ['gateway', 'datadrive'].flatMap((name) =>
        Object.entries(compose.services[name]?.environment ?? {}).map(([key, value]) => [key, filled(value, account)]),
      ),
    );
    Object.assign(env, environment, {
      ...{ DATABASE_URL: store.url, MPD_GATEWAY_CONFIG: join(dir, 'gateway.yaml') },
      MPD_GATEWAY_URL: `http://127.0.0.1:${port}`,
    });
    writeFileSync(
      join(dir, 'bin/docker'),
      `#!/bin/bash
# Stands for the container engine: the services run already, and a command in the container is a command here.
[ "$1" = compose ] || exit 1
case " $* " in
  *" up "*) curl -s --max-time 5 -X POST "$STACK_UP" ;;
  *" exec "*) while [ "$1" != mpd-gateway ]; do shift; done; shift
    cd "$STACK" && exec "$STACK_NODE" --import "$STACK_TSX" "$STACK_BIN" "$@" ;;
  *) exit 1 ;;
esac
`,
    );
    chmodSync(join(dir, 'bin/docker'), 0o755);
  });
  afterAll(async () => {
    for (const child of running.reverse()) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null) child.kill('SIGTERM');
      else continue;
      await ended;
    }
    for (const name of ['ocs-m2020-spice-*-v1', 'ocs-packages', 'ocs-object-types', 'ocs-saved-searches'])
      await fetch(`${index.url}/${prefix}${name}?ignore_unavailable=true`, { method: 'DELETE' });
    await store?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const shell = async (command: string): Promise<string> => {
    const { stdout } = await promisify(execFile)('bash', ['-c', command], {
      cwd: dir,
      env: {
        ...{ ...process.env, NODE_OPTIONS: '', TSX_TSCONFIG_PATH: join(ROOT, 'tsconfig.json') },
        ...env,
        ...{ STACK: dir, STACK_NODE: process.execPath, STACK_TSX: TSX, STACK_BIN: BIN },
        PATH: `${join(dir, 'bin')}${delimiter}${process.env.PATH}`,
      },
      timeout: 120_000,
    });
    return stdout;
  };

  it('shows, command by command, what these commands print', { timeout: 300_000 }, async () => {
    expect(session.length).toBeGreaterThan(8);
    let prelude = '';
    const printed: string[] = [];
    for (const { command, shown } of session) {
      const line = here(command);
      if (/\bcompose\b.*\bup\b/.test(line)) {
        // What `up` starts, from the same file.
        const words = filled(String(compose.services.datadrive?.command)).trim().split(/\s+/);
        await run([...words.map(here), '--prefix', prefix, '--json'], env);
        await run(['serve', '--log-format', 'json'], env);
        continue;
      }
      if (/^\w+\(\)/.test(line)) prelude += `${line}\n`;
      const exported = /^export (\w+)=/.exec(line)?.[1];
      if (exported) env[exported] = (await shell(`${prelude}${line}; printf %s "$${exported}"`)).trim();
      else if (line.startsWith('sleep ')) {
        // As long as it takes here, rather than as long as it says.
        const looked = () => said(line.replace(/^sleep \d+; /, ''));
        await expect.poll(looked, { timeout: 60_000, interval: 500 }).toBe(shown);
        printed.push(`$ ${command}\n${shown}`);
        continue;
      }
      printed.push(`$ ${command}\n${await said(line)}`.trim());
    }
    expect(printed.join('\n')).toBe(
      session
        .filter(({ command }) => !/ up /.test(command))
        .map(({ command, shown }) => `$ ${command}\n${shown}`.trim())
        .join('\n'),
    );

    async function said(line: string): Promise<string> {
      const out = await shell(`${prelude}${line}`);
      return out.replaceAll(prefix, '').replaceAll(index.url, 'http://elasticsearch:9200').trim();
    }
  });
});
