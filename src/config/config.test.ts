import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  ConfigError,
  configJsonSchema,
  loadConfig,
  PACKAGE_ROOT,
  parseConfig,
  referencePage,
  showConfig,
  shownConfig,
} from './index.js';

const read = (text: string, env: Record<string, string> = {}, files: Record<string, string> = {}) =>
  parseConfig(text, {
    file: 'gateway.yaml',
    folder: '/etc/mpd',
    sources: {
      env,
      readFile: (path) => {
        if (files[path] === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
        return files[path];
      },
    },
  });

function problems(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('without a file', () => {
  it('serves an archive on the loopback address and delivers to one folder', () => {
    const { config, warnings } = read('');
    expect(config.backends).toEqual([
      {
        id: 'local',
        kind: 'archive',
        domain: ['local'],
        domains: [['local']],
        path: '/etc/mpd/products',
        enabled: true,
      },
    ]);
    expect(config.targets.allow).toEqual([{ scheme: 'file', root: '/etc/mpd/delivered' }]);
    expect(config.store).toMatchObject({ dir: '/etc/mpd/mpd-data' });
    expect(config.listen.http).toMatchObject({ host: '127.0.0.1', port: 8080 });
    expect(config.listen.maltcp).toBeUndefined();
    expect(warnings).toEqual([]);
  });
});

describe('values', () => {
  it.each([
    ['limits: { mal: { maxBody: 64MiB } }', 64 * 2 ** 20],
    ['limits: { mal: { maxBody: 1.5 GB } }', 1.5e9],
    ['limits: { mal: { maxBody: 4096 } }', 4096],
    ['limits: { mal: { maxBody: env:SIZE } }', 2 ** 30],
  ])('%s is %d bytes', (text, bytes) => {
    expect(read(text, { SIZE: '1GiB' }).config.limits.mal.maxBody).toBe(bytes);
  });

  it.each([
    ['500ms', 500],
    ['10', 10_000],
    ['90s', 90_000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('the duration %s is %d ms', (text, milliseconds) => {
    expect(read(`sweep: { overlap: ${text} }`).config.sweep.overlap).toBe(milliseconds);
  });

  it('come from the environment and from files, the line end cut off', () => {
    const text = `
store: { url: env:DATABASE_URL }
gateway: { secret: file:secrets/link }
listen: { http: { port: env:PORT, openMetrics: env:PROXY } }
backends: [ { id: a, kind: edds, domain: [a], nested: { password: file:/run/pw } } ]`;
    const { config, warnings } = read(
      text,
      { DATABASE_URL: 'postgres://u:p@db/x', PORT: '9000', PROXY: 'true' },
      { '/etc/mpd/secrets/link': '0123456789abcdef0123456789abcdef\n', '/run/pw': 'hunter2\r\n' },
    );
    expect(config.store.url).toBe('postgres://u:p@db/x');
    expect(config.gateway.secret).toBe('0123456789abcdef0123456789abcdef');
    expect(config.listen.http).toMatchObject({ port: 9000, openMetrics: true });
    expect(config.backends[0]).toMatchObject({ nested: { password: 'hunter2' } });
    expect(warnings).toEqual([]);
  });

  it('leave file:// URIs alone', () => {
    const { config } = read('targets: { named: { ops: { uri: "file:///data/in" } } }');
    expect(config.targets.named.ops?.uri).toBe('file:///data/in');
  });

  it('may name a mapping of the package or one of their own', () => {
    const { config } = read(
      'backends: [ { id: a, kind: edds, domain: [a], mapping: package.json }, { id: b, kind: edds, domain: [b], mapping: ./m.yaml } ]',
    );
    expect(config.backends.map(({ mapping }) => mapping)).toEqual([
      join(PACKAGE_ROOT, 'package.json'),
      '/etc/mpd/m.yaml',
    ]);
  });
});

describe('domains and policies', () => {
  it('takes one prefix or several', () => {
    const { config } = read(
      'backends: [ { id: a, kind: edds, domain: [[esa, solo], [esa, juice]] }, { id: b, kind: edds, domain: [] } ]',
    );
    expect(config.backends.map(({ domain, domains }) => [domain, domains])).toEqual([
      [
        ['esa', 'solo'],
        [
          ['esa', 'solo'],
          ['esa', 'juice'],
        ],
      ],
      [[], [[]]],
    ]);
  });

  it('turns the short form of a policy into a tree in which all must hold', () => {
    const policy = (text: string) =>
      read(`access: { principals: [ { id: a, policy: ${text} } ] }`).config.access.principals[0]?.policy;
    expect(policy('{ domain: [esa, "*"] }')).toEqual({ domain: ['esa', '*'] });
    expect(policy('{ domain: [[a], [b]], productTypes: [TM], pathPrefix: x/ }')).toEqual({
      all: [{ any: [{ domain: ['a'] }, { domain: ['b'] }] }, { productTypes: ['TM'] }, { pathPrefix: 'x/' }],
    });
    expect(policy('{ not: { pathPrefix: secret/ } }')).toEqual({ not: { pathPrefix: 'secret/' } });
    expect(policy('null')).toBeNull();
  });
});

describe('what is wrong is named with line, path, value and reason', () => {
  it.each([
    ['a: [', 'gateway.yaml:1: is not valid YAML'],
    ['a: 1\na: 2', 'gateway.yaml:2: is not valid YAML'],
    ['text', 'gateway.yaml: expected a section of keys and values, not "text"'],
    ['listen:\n  http:\n    prot: 8080', 'gateway.yaml:3: listen.http.prot: is not known; did you mean "port"?'],
    ['logs: {}', 'gateway.yaml:1: logs: is not known; did you mean "log"?'],
    ['zzzz: 1', 'gateway.yaml:1: zzzz: is not known; known here: gateway, store, listen,'],
    ['listen: { http: { port: 99999 } }', 'gateway.yaml:1: listen.http.port: must be at most 65535, not 99999'],
    ['listen: { http: { port: eighty } }', 'listen.http.port: expected a port number, not "eighty"'],
    ['listen: { http: { openMetrics: maybe } }', 'listen.http.openMetrics: expected true or false, not "maybe"'],
    ['limits: { mal: { maxBody: 64 apples } }', 'limits.mal.maxBody: expected a size such as 64MiB, not "64 apples"'],
    ['limits: { mal: { maxBody: 10 } }', 'limits.mal.maxBody: must be at least 1KiB, not 10'],
    ['sweep: { interval: 1y }', 'sweep.interval: expected a duration such as 10s or 15m, not "1y"'],
    ['store: { url: mysql://x }', 'store.url: must be a URL that starts with postgres:// or postgresql://'],
    ['store: { url: env:NOPE }', 'store.url: the environment variable NOPE is not set'],
    ['store: { url: file:nope }', 'store.url: the file /etc/mpd/nope cannot be read (ENOENT)'],
    ['gateway: { secret: short }', 'gateway.secret: must have at least 32 characters'],
    ['log: { level: loud }', 'log.level: must be one of trace, debug, info, warn, error, silent, not "loud"'],
    ['backends: {}', 'backends: expected a list, not {}'],
    ['backends: [ { kind: edds, domain: [a] } ]', 'backends[0].id: is needed'],
    [
      'backends: [ { id: a, kind: edd, domain: [a] } ]',
      'backends[0].kind: must be one of archive, edds, datadrive, mpd, module, not "edd"',
    ],
    ['backends: [ { id: a, kind: archive, domain: [a] } ]', 'backends[0].path: is needed for kind archive'],
    ['backends: [ { id: a, kind: module, domain: [a] } ]', 'backends[0].module: is needed for kind module'],
    ['backends: [ { id: a, kind: edds, domain: [a, "*"] } ]', 'backends[0].domain: [a, *] holds "*"'],
    [
      'backends:\n - { id: a, kind: edds, domain: [esa] }\n - { id: a, kind: edds, domain: [x] }',
      'gateway.yaml:3: backends[1].id: "a" is already used by backends[0]',
    ],
    [
      'backends:\n - { id: a, kind: edds, domain: [esa] }\n - { id: b, kind: edds, domain: [esa, solo] }',
      'gateway.yaml:3: backends[1].domain: [esa, solo] overlaps [esa] of backend "a"',
    ],
    ['targets: { allow: [ { scheme: file } ] }', 'targets.allow[0].root: is needed for scheme file'],
    ['targets: { allow: [ { scheme: sftp } ] }', 'targets.allow[0].host: is needed'],
    ['targets: { named: { x: { uri: nowhere } } }', 'targets.named.x.uri: must be a URI'],
    [
      'access: { principals: [ { id: a, role: boss } ] }',
      'access.principals[0].role: must be one of consumer, operator, admin, not "boss"',
    ],
    [
      'access: { principals: [ { id: a, policy: { colour: red } } ] }',
      'access.principals[0].policy: colour: unknown; expected one of all, any,',
    ],
    [
      'access: { principals: [ { id: a, policy: { domain: 5 } } ] }',
      'access.principals[0].policy.domain: expected a domain',
    ],
    ['access: { mal: [ { cidr: 1.2.3/8, principal: operator } ] }', 'access.mal[0].cidr: "1.2.3/8" is no network'],
    [
      'access: { mal: [ { cidr: 10.0.0.0/8, principal: nobody } ] }',
      'access.mal[0].principal: "nobody" is not one of access.principals (operator)',
    ],
    ['listen: { maltcp: { port: 8080 } }', 'listen.maltcp.port: 8080 is already used by listen.http'],
  ])('%s', (text, message) => {
    expect(problems(text)).toContain(message);
  });

  it('all at once', () => {
    expect(problems('logs: {}\nstore: { pool: 1 }\nlisten: { http: { port: x } }').split('\n')).toHaveLength(3);
  });
});

describe('secrets', () => {
  const text = `
store: { url: "postgres://mpd:hunter2@db/mpd" }
gateway: { secret: env:LINK }
backends: [ { id: a, kind: edds, domain: [a], wsdl: "https://u:hunter3@h/x", password: hunter4, apiKey: env:KEY } ]
targets: { named: { t: { uri: "sftp://u@h/", password: hunter5, key: env:KEY } } }`;
  const loaded = read(text, { LINK: 'hunter6-0123456789-0123456789-0123456789', KEY: 'hunter7' });

  it('written into the file are warned about by path', () => {
    expect(loaded.warnings.map(({ path, line }) => [path, line])).toEqual([
      ['store.url', 2],
      ['backends[0].password', 4],
      ['targets.named.t.password', 5],
    ]);
  });

  it('are in no error', () => {
    expect(problems('store: { url: "http://u:hunter2@x" }\ngateway: { secret: hunter2 }')).not.toContain('hunter2');
  });

  it('are not shown, where they come from is', () => {
    const shown = showConfig(loaded);
    expect(shown).not.toContain('hunter');
    expect(parse(shown)).toMatchObject({
      gateway: { secret: 'env:LINK' },
      store: { url: '(hidden)' },
      backends: [{ id: 'a', apiKey: 'env:KEY', wsdl: 'https://u:***@h/x' }],
    });
  });
});

it('config show gives a file that reads back as the same configuration', () => {
  const loaded = read(
    'limits: { mal: { maxBody: 3MiB } }\naccess: { principals: [ { id: p, policy: { created: { start: 2026-01-01T00:00:00Z, end: 2026-02-01T00:00:00Z } } } ] }\nbackends: [ { id: a, kind: edds, domain: [[a], [b]], depth: { x: [1] } } ]',
  );
  expect(read(showConfig(loaded)).config).toEqual(loaded.config);
  expect(shownConfig(loaded)).toMatchObject({ limits: { mal: { maxBody: '3MiB' } }, delivery: { deadline: '1d' } });
});

describe('loadConfig', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mpd-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const sources = (env: Record<string, string> = {}) => ({
    env,
    readFile: (path: string) => readFileSync(path, 'utf8'),
  });

  it('takes --config, else $MPD_GATEWAY_CONFIG, else gateway.yaml here, else defaults', () => {
    expect(loadConfig({ cwd: folder, sources: sources() })).toMatchObject({
      file: null,
      config: { gateway: { name: 'mpd-gateway' } },
    });
    for (const name of ['gateway', 'other', 'third'])
      writeFileSync(join(folder, `${name}.yaml`), `gateway: { name: ${name} }`);
    const found = (env: Record<string, string>, file?: string) =>
      loadConfig({ cwd: folder, sources: sources(env), file }).config.gateway.name;
    expect(found({})).toBe('gateway');
    expect(found({ MPD_GATEWAY_CONFIG: 'other.yaml' })).toBe('other');
    expect(found({ MPD_GATEWAY_CONFIG: 'other.yaml' }, 'third.yaml')).toBe('third');
  });

  it('says which file is not there', () => {
    expect(() => loadConfig({ cwd: folder, sources: sources(), file: 'missing.yaml' })).toThrow(
      /missing\.yaml cannot be read \(ENOENT\)/,
    );
  });
});

describe('the configurations that are brought along', () => {
  const file = (path: string) => readFileSync(join(PACKAGE_ROOT, path), 'utf8');
  const env = {
    DATABASE_URL: 'postgres://mpd@db/mpd',
    LINK_SECRET: 'x'.repeat(32),
    S3_KEY: 'key',
    S3_SECRET: 'secret',
    DATADRIVE_TOKEN: 'token',
  };
  it.each([
    ['gateway.example.yaml', () => file('gateway.example.yaml')],
    ['docker/gateway.yaml', () => file('docker/gateway.yaml')],
    ['docker-compose.yml', () => parse(file('docker-compose.yml')).configs['gateway.yaml'].content as string],
    [
      'docker-compose.yml with a DataDrive',
      () => parse(file('docker-compose.yml')).configs['datadrive.yaml'].content as string,
    ],
  ])('%s is good, and warns of nothing', (_, text) => {
    const { config, warnings } = read(text(), env);
    expect(warnings).toEqual([]);
    expect(config.backends).toHaveLength(1);
  });
});

describe('made from the schema', () => {
  it('docs/configuration.md is current (mpd-gateway config schema --markdown)', () => {
    expect(readFileSync(join(PACKAGE_ROOT, 'docs/configuration.md'), 'utf8')).toBe(referencePage());
  });

  it('the reference page explains every key', () => {
    const rows = referencePage()
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(rows.length).toBeGreaterThan(90);
    for (const row of rows) expect(row.split(' | ').at(-1)?.length, row).toBeGreaterThan(5);
  });

  it('the JSON Schema keeps every key and allows references', () => {
    const schema = configJsonSchema() as { properties: Record<string, { properties: Record<string, unknown> }> };
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['gateway', 'backends', 'log']));
    expect(schema.properties.gateway?.properties).toHaveProperty('secret.writeOnly', true);
    expect(JSON.stringify(schema.properties.log?.properties)).toContain('env:');
  });
});
