import { createClientAsync } from 'soap';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseRequestId } from '../../src/formats/edds-response/index.js';
import type { EddsSimulator } from './index.js';
import { envelope, rawCall, textOf } from './testing.js';
import { FAST, session, simulators } from './testing-session.js';

const { close, start } = simulators();
let edds: EddsSimulator;
beforeAll(async () => {
  edds = await start();
});
afterAll(close);

describe('binding', () => {
  it("serves the WSDL with the address the caller used, in any case of the query, and says that it is not ESA's", async () => {
    const text = await (await fetch(edds.wsdlUrl.replace('127.0.0.1', 'localhost').replace('wsdl', 'WSDL'))).text();
    expect(text).toContain(`location="http://localhost:${edds.port}/edds/services/EddsService"`);
    expect(text.slice(0, 200)).toContain("not ESA's");
    expect((await fetch(edds.url)).status).toBe(405);
  });

  it('answers with HTTP 200 and text/xml, faults with HTTP 500 and the code in the detail', async () => {
    const good = await rawCall(edds.url, envelope('login', '<user>ops</user><password>ops</password>'));
    expect([good.status, good.type]).toEqual([200, 'text/xml; charset=utf-8']);
    const bad = await rawCall(edds.url, envelope('login', '<user>ops</user><password>secret-1</password>'));
    expect([bad.status, bad.body.name, textOf(bad.body, 'faultcode'), textOf(bad.body, 'Code')]).toEqual([
      500,
      'Fault',
      's:Client',
      'AUTH_FAILED',
    ]);
    expect(bad.text).not.toContain('secret-1');
    const unknown = await rawCall(edds.url, envelope('login', '<user>nobody</user><password>x</password>'));
    expect(unknown.text).toBe(bad.text);
  });

  it.each([
    ['XML that is not well-formed', '<a><b></a>'],
    ['an empty body', ''],
    ['no envelope', '<a/>'],
    ['a DOCTYPE', `<!DOCTYPE a [<!ENTITY x "y">]>${envelope('login', '<user>&x;</user><password>ops</password>')}`],
    ['an unknown operation', envelope('shutDown', '')],
    ['another namespace', envelope('login', '').replaceAll('urn:edds-sim:service:1', 'urn:other')],
    ['a missing argument', envelope('login', '<user>ops</user>')],
    ['an unknown argument', envelope('login', '<user>ops</user><password>ops</password><more/>')],
    ['two body children', envelope('login', '').replace('</s:Body>', '<x/></s:Body>')],
  ])('refuses %s as INVALID_REQUEST', async (_, body) => {
    const answer = await rawCall(edds.url, body);
    expect([answer.status, textOf(answer.body, 'Code')]).toEqual([500, 'INVALID_REQUEST']);
  });

  it('accepts any prefix, comments, CDATA, any SOAPAction and UTF-16', async () => {
    const text = envelope('login', '<user><!-- x --><![CDATA[ops]]></user><password>ops</password>').replace(
      /(<\/?|xmlns:)s(?=[:=])/g,
      '$1anything',
    );
    expect((await rawCall(edds.url, text, { soapaction: '"whatever"' })).body.name).toBe('loginResponse');
    expect((await rawCall(edds.url, Buffer.from(`\ufeff${text}`, 'utf16le'))).body.name).toBe('loginResponse');
  });

  it('faults on headers it must understand and does not, limits the request', async () => {
    const header = '<x:Security xmlns:x="urn:x" s:mustUnderstand="1"/>';
    const answer = await rawCall(edds.url, envelope('login', '<user>ops</user><password>ops</password>', header));
    expect(textOf(answer.body, 'faultcode')).toBe('s:MustUnderstand');
    const long = await rawCall(edds.url, envelope('login', `<user>${'x'.repeat(1_100_000)}</user><password/>`));
    expect([textOf(long.body, 'Code'), textOf(long.body, 'Message')]).toEqual([
      'INVALID_REQUEST',
      expect.stringContaining('longer than'),
    ]);
  });

  it('is understood by a SOAP client from its WSDL alone', async () => {
    const client = await createClientAsync(edds.wsdlUrl);
    const [login] = await client.loginAsync!({ user: 'ops', password: 'ops' });
    expect(login.token).toMatch(/^[0-9A-F]{32}$/);
    const [catalogue] = await client.getCatalogueAsync!({ token: login.token, domain: 'SOL', dataType: 'Param' });
    expect(catalogue.entry.map((entry: { Name: string }) => entry.Name)).toEqual(['NIXD0023', 'NPLD0101', 'NPLD0200']);
    const [request] = await client.batchRequestAsync!({
      token: login.token,
      request: {
        Domain: 'SOL',
        DataType: 'PktTmRaw',
        TimeRange: { Begin: '2020-12-01T00:00:00Z', End: '2020-12-01T00:00:10Z' },
        Filter: { Apid: [1444, 1420] },
      },
    });
    expect(parseRequestId(request.requestId)).toMatchObject({ type: 'PktTmRaw', domain: 'SOL', number: 0 });
  });
});

describe('token', () => {
  it('is 32 upper-case hex characters, also set as cookie, and taken as child, header or cookie', async () => {
    const { token, login } = await session(edds);
    expect(token).toMatch(/^[0-9A-F]{32}$/);
    expect(login.cookie).toContain(`JSESSIONID=${token}`);
    const header = `<e:Token xmlns:e="urn:edds-sim:service:1">${token}</e:Token>`;
    const ways = await Promise.all([
      rawCall(edds.url, envelope('getJobs', `<token>${token}</token>`)),
      rawCall(edds.url, envelope('getJobs', '', header)),
      rawCall(edds.url, envelope('getJobs', ''), { cookie: `a=b; JSESSIONID=${token}` }),
    ]);
    expect(ways.map(({ body }) => body.name)).toEqual(['getJobsResponse', 'getJobsResponse', 'getJobsResponse']);
    const childFirst = await rawCall(edds.url, envelope('getJobs', '<token>X</token>', header));
    expect(textOf(childFirst.body, 'Code')).toBe('NOT_AUTHENTICATED');
    expect(textOf((await rawCall(edds.url, envelope('getJobs', ''))).body, 'Code')).toBe('NOT_AUTHENTICATED');
  });

  it('ends with logout or idleness, of that session only', async () => {
    let now = Date.now();
    const own = await start({ clock: () => now, times: { ...FAST, sessionIdle: 1000 } });
    const [one, two, three] = [await session(own), await session(own), await session(own)];
    await one.call('logout');
    expect(await one.code('getJobs', '')).toBe('NOT_AUTHENTICATED');
    now += 900;
    expect(await two.code('getJobs', '')).toBeNull();
    now += 900;
    expect(await two.code('getJobs', '')).toBeNull();
    expect(await three.code('getJobs', '')).toBe('NOT_AUTHENTICATED');
  });
});

describe('a site of another shape', () => {
  it('is served with other names, SOAP 1.2, qualified children, cookie and attachments', async () => {
    const own = await start({ shape: 'alternative' });
    const client = await createClientAsync(own.wsdlUrl, { forceSoap12Headers: true });
    expect(Object.keys(client.describe().DisseminationService.DisseminationPort)).toContain('orderRetrieval');
    const [, , headers] = await client.authenticateAsync!({ loginName: 'ops', secret: 'ops' });
    expect(headers).toBeUndefined();
    const cookie = String(client.lastResponseHeaders!['set-cookie']).split(';')[0]!;
    expect(cookie).toMatch(/^EDDSSESSION=[0-9A-F]{32}$/);
    client.addHttpHeader('cookie', cookie);
    const [ordered] = await client.orderRetrievalAsync!({
      order: {
        Mission: 'SOL',
        Product: 'PktTmRaw',
        TimeRange: { From: '2020-12-01T00:00:00Z', To: '2020-12-01T00:00:10Z' },
      },
    });
    for (let phase = ''; phase !== 'DONE'; ) {
      const [{ job }] = await client.inquireAsync!({ orderNumber: ordered.orderNumber });
      phase = job.Phase;
    }
    const raw = `<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Body><fetchPart xmlns="urn:edds-sim:alternative:1"><orderNumber>${ordered.orderNumber}</orderNumber></fetchPart></env:Body></env:Envelope>`;
    const answer = await fetch(own.url, {
      method: 'POST',
      body: raw,
      headers: { cookie, 'content-type': 'application/soap+xml' },
    });
    expect(answer.headers.get('content-type')).toContain('multipart/related');
    const text = await answer.text();
    expect(text).toContain('<e:Segments>1</e:Segments>');
    expect(text.split('packetID=').length - 1).toBe(100);
    const fault = await fetch(own.url, {
      method: 'POST',
      body: raw,
      headers: { 'content-type': 'application/soap+xml' },
    });
    expect([fault.status, await fault.text()]).toEqual([
      400,
      expect.stringContaining('<e:Reason1>NOT_AUTHENTICATED</e:Reason1>'),
    ]);
  });
});
