import { createServer, type Server } from 'node:http';
import { describe, expect, it } from 'vitest';
import { one, signal, testSource, textOf } from '../../test/datadrive/source.js';
import { describeWithService } from '../../test/services/index.js';

await describeWithService(['elasticsearch', 'versitygw'], 'DataDrive backend and faults of the source', (index, s3) => {
  const source = testSource(index, s3);

  describe('the data endpoint', () => {
    const pep = (user: string, family: string): Record<string, unknown> => ({
      ...{ bodies: 'pep', pep: { url: source.dd.url, links: [s3.url] } },
      login: { family, token: source.token(user) },
    });

    it.each([
      ['csso', 'user-a'],
      ['cam', 'user-b'],
    ])('gives the bytes to a %s login, from any offset', async (family, user) => {
      await source.put('/pep/a b#%ü.bc', '0123456789');
      const backend = await source.open(pep(user, family));
      const entry = await one(backend, 'pep/a b');
      expect(await textOf(backend, entry)).toBe('0123456789');
      expect(await textOf(backend, entry, 7)).toBe('789');
    });

    it('an expired link is asked for once more', async () => {
      await source.put('/pep/link.bc', 'fresh');
      const backend = await source.open(pep('user-a', 'csso'));
      const entry = await one(backend, 'pep/link');
      source.dd.setFault('presignExpired', true, { count: 1 });
      expect(await textOf(backend, entry)).toBe('fresh');
      source.dd.setFault('presignExpired', true);
      await expect(textOf(backend, entry)).rejects.toMatchObject({ class: 'target-down' });
    });

    it('a link to a host that is not allowed is not followed', async () => {
      await source.put('/pep/cross.bc', 'x');
      const backend = await source.open(pep('user-a', 'csso'));
      const entry = await one(backend, 'pep/cross');
      source.dd.setFault('crossHostRedirect', true);
      await expect(textOf(backend, entry)).rejects.toMatchObject({ message: expect.stringContaining('localhost') });
    });

    it('the cookie stays with the endpoint: a link gets none', async () => {
      const { ocs_url } = await source.put('/pep/cookie.bc', 'secret');
      const seen: (string | undefined)[] = [];
      const store3: Server = createServer((request, response) => {
        seen.push(request.headers.cookie);
        response.end('secret');
      });
      const endpoint: Server = createServer((request, response) => {
        seen.push(request.headers.cookie);
        const { port } = store3.address() as { port: number };
        response.writeHead(307, { location: `http://127.0.0.1:${port}${request.url}` }).end();
      });
      const listen = (server: Server): Promise<void> =>
        new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
      await Promise.all([listen(store3), listen(endpoint)]);
      const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as { port: number }).port}`;
      const backend = await source.open({
        ...{ bodies: 'pep', pep: { url: urlOf(endpoint), links: [urlOf(store3)] } },
        login: { family: 'csso', token: source.token('user-a') },
      });
      expect(await textOf(backend, await one(backend, 'pep/cookie'))).toBe('secret');
      expect(seen).toEqual([source.dd.cookie('user-a'), undefined]);
      expect(ocs_url).toContain('cookie.bc');
      for (const server of [store3, endpoint]) server.close();
    });

    it.each(['length', 'chunked'] as const)('a body cut short (%s) is taken up again where it stopped', async (how) => {
      await source.put('/pep/cut.bc', 'x'.repeat(5000));
      const backend = await source.open(pep('user-a', 'csso'));
      const entry = await one(backend, 'pep/cut');
      source.dd.setFault('truncateBody', how, { count: 1 });
      expect(await textOf(backend, entry)).toBe('x'.repeat(5000));
    });

    it('an endpoint that fails is an error of class retry with its status', async () => {
      await source.put('/pep/fail.bc');
      const backend = await source.open(pep('user-a', 'csso'));
      const entry = await one(backend, 'pep/fail');
      source.dd.setFault('pepStatus', 503);
      await expect(textOf(backend, entry)).rejects.toMatchObject({
        class: 'retry',
        message: expect.stringContaining('503'),
      });
    });

    it('bytes of the right length and the wrong content carry the claim that shows it', async () => {
      const md5 = '9a0364b9e99bb480dd25e1f0284c8555';
      await source.put('/pep/wrong.bc', 'content', { kernel_type: 'CK', md5 });
      const backend = await source.open(pep('user-a', 'csso'));
      const entry = await one(backend, 'pep/wrong');
      source.dd.setFault('wrongBytes', true, { count: 1 });
      const body = await backend.open(entry.metadata.productRef, { revision: entry.revision, offset: 0, signal });
      expect(body.claim).toEqual({ algorithm: 'md5', value: Buffer.from(md5, 'hex') });
      const chunks: Uint8Array[] = [];
      for await (const chunk of body.stream) chunks.push(chunk);
      expect(Buffer.concat(chunks).toString()).not.toBe('content');
    });
  });

  describe('login', () => {
    const cam = () => ({ family: 'cam', cam: { url: source.dd.url, username: 'user-b', password: 'user-b-pw' } });

    it('a token that expires is renewed by the CAM login, in searches and downloads', async () => {
      await source.put('/login/a.bc', 'body');
      const backend = await source.open({ login: cam(), bodies: 'pep', pep: { url: source.dd.url, links: [s3.url] } });
      const entry = await one(backend, 'login/a');
      source.dd.setFault('expireToken', true, { user: 'user-b' });
      expect(await one(backend, 'login/a')).toEqual(entry);
      source.dd.setFault('expireToken', true, { user: 'user-b' });
      expect(await textOf(backend, entry)).toBe('body');
    });

    it('one that expires in mid-download is renewed and the rest is read', async () => {
      await source.put('/login/mid.bc', 'y'.repeat(4000));
      const backend = await source.open({ login: cam(), bodies: 'pep', pep: { url: source.dd.url, links: [s3.url] } });
      const entry = await one(backend, 'login/mid');
      source.dd.setFault('expireMidStream', true, { count: 1 });
      expect(await textOf(backend, entry)).toBe('y'.repeat(4000));
    });

    it('one that cannot be renewed says so', async () => {
      const backend = await source.open();
      source.dd.setFault('expireToken', true, { user: 'user-a' });
      expect(await backend.check()).toEqual({ ok: false, reason: expect.stringContaining('refused the login') });
    });

    it('a wrong CAM password says so', async () => {
      const login = { family: 'cam', cam: { url: source.dd.url, username: 'user-b', password: 'no' } };
      const health = await (await source.open({ login })).check();
      expect(health).toEqual({ ok: false, reason: expect.stringContaining('CAM login was refused') });
    });
  });
});
