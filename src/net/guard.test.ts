import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer, get as httpGet } from 'node:http';
import { type AddressInfo, createServer, connect as netConnect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AllowRule, createGuard, type GuardOptions } from './guard.js';

const guard = (allow: readonly AllowRule[], options: Partial<GuardOptions> = {}) => createGuard({ allow, ...options });
const refusal = { name: 'MpdError', code: 'Delivery Failed', class: 'refuse' };

describe('check', () => {
  const rules: readonly AllowRule[] = [
    { scheme: 'sftp', host: 'sftp.example.int', root: '/in' },
    { scheme: 'https', host: '*.partner.int', port: 443 },
    { scheme: 'https', host: '192.0.3.7' },
    { scheme: 'ftp', host: '10.20.0.0/16' },
    { scheme: 's3', host: 'bucket-a' },
  ];
  it.each([
    'sftp://ops@sftp.example.int/in',
    'sftp://SFTP.example.int./in/deep/er',
    'https://a.partner.int/x?y=z',
    'https://a.b.partner.int:443/',
    'https://192.0.3.7:8443/',
    'ftp://10.20.255.1/',
    'ftp://maybe.inside.int/',
    's3://bucket-a/some/key',
  ])('permits %s', (url) => {
    expect(guard(rules).check(url).href).toContain(new URL(url).pathname);
  });

  it.each([
    ['gopher://sftp.example.int/', 'scheme gopher'],
    ['http://a.partner.int/', 'scheme http'],
    ['file:///etc/passwd', 'scheme file'],
    ['sftp://other.example.int/in', 'host other.example.int'],
    ['sftp://sftp.example.int.evil.org/in', 'host sftp.example.int.evil.org'],
    ['sftp://sftp.example.int%2eevil.org/in', 'host'],
    ['sftp://sftp.example.int@evil.org/in', 'host evil.org'],
    ['sftp://sftp.example.int/inside', 'the path'],
    ['sftp://sftp.example.int/in/../etc', 'the path'],
    ['sftp://sftp.example.int/in/%2e%2e/etc', 'the path'],
    ['sftp://sftp.example.int/in/..%2f..%2fetc', 'the path'],
    ['sftp://sftp.example.int/in/a%0Ab', 'the path'],
    ['sftp://sftp.example.int/in/%ff', 'the path'],
    ['https://partner.int/', 'host partner.int'],
    ['https://evilpartner.int/', 'host evilpartner.int'],
    ['https://a.partner.int:444/', 'host a.partner.int:444'],
    ['https://192.0.3.8/', 'host 192.0.3.8'],
    ['https://0xC0000308/', 'host 192.0.3.8'],
    ['ftp://10.21.0.1/', 'host 10.21.0.1'],
    ['s3://bucket-b/some/key', 'host bucket-b'],
    ['nonsense', 'not a URI'],
  ])('refuses %s, naming %s', (url, reason) => {
    expect(() => guard(rules).check(url)).toThrow(
      expect.objectContaining({ ...refusal, message: expect.stringContaining(reason) }),
    );
  });

  it('never repeats credentials', () => {
    for (const url of ['sftp://me:s3cret@evil.org/in', 'sftp://me:s3cret@ev il/in'])
      expect(() => guard(rules).check(url)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('s3cret') }),
      );
  });

  it.each([
    ['a host-less rule', { scheme: 'http' }],
    ['a wildcard', { scheme: 'http', host: '*' }],
  ])('%s permits any public host, but no address inside', (_name, rule) => {
    const any = guard([rule]);
    expect(any.check('http://8.8.8.8/').host).toBe('8.8.8.8');
    expect(any.check('http://www.example.org/').host).toBe('www.example.org');
    for (const inside of ['127.0.0.1', '10.0.0.1', '[::1]', '[::ffff:10.0.0.1]', '[fd00::1]', '2130706433', '0x7f.1'])
      expect(() => any.check(`http://${inside}/`)).toThrow(expect.objectContaining(refusal));
  });

  it('link-local and metadata addresses are refused even when named', () => {
    const named = guard([
      { scheme: 'http', host: '169.254.169.254' },
      { scheme: 'http', host: '0.0.0.0/0' },
      { scheme: 'http', host: '::/0' },
    ]);
    for (const host of ['169.254.169.254', '[fe80::1]', '[::ffff:169.254.169.254]', '0.0.0.0', '[fd00:ec2::254]'])
      expect(() => named.check(`http://${host}/latest/meta-data`)).toThrow(expect.objectContaining(refusal));
    expect(named.check('http://10.0.0.1/').host).toBe('10.0.0.1');
  });

  it('keeps files below their folder, also behind links', () => {
    const root = mkdtempSync(join(tmpdir(), 'mpd-guard-'));
    mkdirSync(join(root, 'out'));
    symlinkSync('/etc', join(root, 'out', 'link'));
    symlinkSync(join(root, 'out'), join(root, 'alias'));
    const files = guard([{ scheme: 'file', root: join(root, 'out') }]);
    const url = (...parts: string[]) => pathToFileURL(join(root, ...parts)).href;
    expect(files.check(url('out', 'not', 'there', 'yet')).protocol).toBe('file:');
    expect(files.check(url('alias', 'a #1 %.dat')).protocol).toBe('file:');
    for (const bad of [
      url('out', 'link', 'passwd'),
      url('outside'),
      url('out', '..', 'x'),
      'file:///etc/passwd',
      'file://host/out',
      `${url('out')}/%2e%2e%2fx`,
    ])
      expect(() => files.check(bad), bad).toThrow(expect.objectContaining(refusal));
    rmSync(root, { recursive: true });
  });
});

describe('at connect time', () => {
  let server: Server;
  let web: HttpServer;
  let port: number;
  let webPort: number;

  beforeAll(async () => {
    server = createServer((socket) => socket.end('hello'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
    web = createHttpServer((_request, response) => response.end('web'));
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    webPort = (web.address() as AddressInfo).port;
  });

  afterAll(() => {
    server.close();
    web.close();
  });

  const to =
    (...addresses: string[]) =>
    async () =>
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const read = async (socket: AsyncIterable<Buffer>) => {
    let text = '';
    for await (const chunk of socket) text += chunk;
    return text;
  };

  it('connects to a host that the list names, wherever it is', async () => {
    const named = guard([{ scheme: 'sftp', host: 'sftp.example.int' }], { resolve: to('127.0.0.1') });
    expect(await read(await named.connect(`sftp://sftp.example.int:${port}/in`))).toBe('hello');
  });

  it('connects to a name inside a network that the list names, and only there', async () => {
    const network = guard([{ scheme: 'sftp', host: '127.0.0.0/8' }], { resolve: to('127.0.0.1') });
    expect(await read(await network.connect(`sftp://any.example.int:${port}/`))).toBe('hello');
    const outside = guard([{ scheme: 'sftp', host: '10.0.0.0/8' }], { resolve: to('127.0.0.1') });
    await expect(outside.connect(`sftp://any.example.int:${port}/`)).rejects.toMatchObject({
      ...refusal,
      message: 'sftp://any.example.int: it is at 127.0.0.1, where targets.allow lets nothing connect to',
    });
  });

  it('refuses a public-looking name that resolves to an address inside', async () => {
    for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1', '::ffff:127.0.0.1', 'fe80::1']) {
      const open = guard([{ scheme: 'sftp', host: '*.example.int' }, { scheme: 'sftp' }], { resolve: to(address) });
      await expect(open.connect(`sftp://a.example.int:${port}/`)).rejects.toMatchObject(refusal);
    }
    const metadata = guard([{ scheme: 'sftp', host: 'named.int' }], { resolve: to('169.254.169.254') });
    await expect(metadata.connect('sftp://named.int/')).rejects.toMatchObject(refusal);
  });

  it('looks a name up once a connection and goes to the address it checked: a changed answer gains nothing', async () => {
    let asked = 0;
    const changing = (first: string, then: string) => async () => [
      { address: asked++ === 0 ? first : then, family: 4 },
    ];
    const allow = [{ scheme: 'sftp', host: '127.0.0.0/8' }];
    const good = guard(allow, { resolve: changing('127.0.0.1', '10.0.0.1') });
    expect(await read(await good.connect(`sftp://a.int:${port}/`))).toBe('hello');
    expect(asked).toBe(1);
    // The second connection is judged by what the name says then.
    await expect(good.connect(`sftp://a.int:${port}/`)).rejects.toMatchObject(refusal);
    asked = 0;
    const bad = guard([{ scheme: 'sftp' }], { resolve: changing('8.8.8.8', '127.0.0.1') });
    expect(await bad.resolve('sftp://a.int/')).toEqual([{ address: '8.8.8.8', family: 4 }]);
    await expect(bad.connect(`sftp://a.int:${port}/`)).rejects.toMatchObject(refusal);
    expect(asked).toBe(2);
  });

  it('passes over the addresses of a name that may not be reached', async () => {
    const mixed = guard([{ scheme: 'sftp', host: '127.0.0.1' }], {
      resolve: to('169.254.169.254', '10.0.0.1', '127.0.0.1'),
    });
    expect(await mixed.resolve('sftp://127.0.0.1/')).toEqual([{ address: '127.0.0.1', family: 4 }]);
    const names = guard([{ scheme: 'sftp', host: '127.0.0.0/8' }], {
      resolve: to('169.254.169.254', '10.0.0.1', '127.0.0.1'),
    });
    expect(await names.resolve('sftp://mixed.int/')).toEqual([{ address: '127.0.0.1', family: 4 }]);
  });

  it('tells a refusal from a host that is down, unknown or silent', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const free = (closed.address() as AddressInfo).port;
    await new Promise((resolve) => closed.close(resolve));
    const down = { name: 'MpdError', class: 'target-down' };
    const allow = [{ scheme: 'sftp', host: 'a.int' }];
    await expect(guard(allow, { resolve: to('127.0.0.1') }).connect(`sftp://a.int:${free}/`)).rejects.toMatchObject({
      ...down,
      message: expect.stringContaining(`sftp://a.int:${free}: `),
    });
    const noName = Object.assign(new Error('getaddrinfo ENOTFOUND a.int'), { code: 'ENOTFOUND' });
    await expect(
      guard(allow, { resolve: () => Promise.reject(noName) }).connect('sftp://a.int/'),
    ).rejects.toMatchObject({ ...down, cause: noName });
    await expect(
      guard(allow, { resolve: () => new Promise(() => undefined) }).connect('sftp://a.int/', { timeoutMs: 30 }),
    ).rejects.toMatchObject(down);
    const stop = new AbortController();
    const waiting = guard(allow, { resolve: () => new Promise(() => undefined) }).connect('sftp://a.int/', {
      signal: stop.signal,
    });
    stop.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
  });

  it('gives sockets and requests of others a look-up that checks', async () => {
    const good = guard([{ scheme: 'http', host: 'web.int' }], { resolve: to('127.0.0.1') });
    expect(await read(netConnect({ host: 'web.int', port, lookup: good.lookup('http') }))).toBe('hello');
    const bad = guard([{ scheme: 'http' }], { resolve: to('127.0.0.1') });
    await expect(read(netConnect({ host: 'web.int', port, lookup: bad.lookup('http') }))).rejects.toMatchObject(
      refusal,
    );
    const wrongPort = guard([{ scheme: 'http', host: 'web.int', port: 80 }], { resolve: to('127.0.0.1') });
    await expect(
      read(netConnect({ host: 'web.int', port, lookup: wrongPort.lookup('http', port) })),
    ).rejects.toMatchObject(refusal);
  });

  it('gives HTTP clients of others an agent that checks names and literal addresses', async () => {
    const fetched = (url: string, allow: AllowRule[]) => {
      const by = guard(allow, { resolve: to('127.0.0.1') });
      return new Promise<string>((resolve, reject) => {
        const request = httpGet(url, { agent: by.agent('http') }, (response) => resolve(read(response)));
        request.on('error', reject);
      }).finally(() => by.close());
    };
    expect(await fetched(`http://web.int:${webPort}/`, [{ scheme: 'http', host: 'web.int' }])).toBe('web');
    expect(await fetched(`http://127.0.0.1:${webPort}/`, [{ scheme: 'http', host: '127.0.0.1', port: webPort }])).toBe(
      'web',
    );
    await expect(fetched(`http://127.0.0.1:${webPort}/`, [{ scheme: 'http' }])).rejects.toMatchObject(refusal);
    await expect(fetched(`http://[::ffff:127.0.0.1]:${webPort}/`, [{ scheme: 'http' }])).rejects.toMatchObject(refusal);
    await expect(fetched(`http://web.int:${webPort}/`, [{ scheme: 'http' }])).rejects.toMatchObject(refusal);
    await expect(fetched(`http://web.int:${webPort}/`, [{ scheme: 'http', host: 'other.int' }])).rejects.toMatchObject(
      refusal,
    );
  });

  it('does not mind the path of a connection that will serve many', async () => {
    const rooted = guard([{ scheme: 'sftp', host: 'a.int', root: '/in' }], { resolve: to('127.0.0.1') });
    expect(await read(await rooted.connect(`sftp://a.int:${port}`))).toBe('hello');
    expect(() => rooted.check(`sftp://a.int:${port}`)).toThrow(expect.objectContaining(refusal));
  });

  it('can be widened without widening the original', async () => {
    const narrow = guard([{ scheme: 'sftp', host: 'a.int' }], { resolve: to('127.0.0.1') });
    const wide = narrow.allowing([{ scheme: 'sftp', host: 'b.int' }]);
    expect(await read(await wide.connect(`sftp://b.int:${port}/`))).toBe('hello');
    expect(await read(await wide.connect(`sftp://a.int:${port}/`))).toBe('hello');
    await expect(narrow.connect(`sftp://b.int:${port}/`)).rejects.toMatchObject(refusal);
  });
});
