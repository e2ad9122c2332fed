import { describe, expect, it } from 'vitest';
import { fakeGateway, packets, product } from '../../../test/http/fake-gateway.js';
import { serve } from '../../../test/http/serve.js';
import type { Form } from '../../gateway/backend.js';
import { chooseForm } from './send/form.js';

const PATH = '/api/v1/bodies/local/1/a.xml';
const form = (name: string, mediaType: string, suffix: string): Form => ({
  ...{ name, mediaType, suffix, replaces: '.xml', description: name },
  productTypes: [packets.name],
});
const FORMS = [
  form('packets', 'application/ccsds-space-packets', '.bin'),
  form('csv', 'text/csv', '.csv'),
  form('ndjson', 'application/x-ndjson', '.ndjson'),
];

describe('the form of a body by Accept', () => {
  const chosen = (accept: string | undefined): string | null =>
    chooseForm(accept, 'text/xml; charset=utf-8', FORMS)?.name ?? null;

  it.each([
    [undefined, null],
    ['', null],
    ['*/*', null],
    ['text/xml', null],
    ['application/octet-stream', null],
    ['text/*', null],
    ['application/*', null],
    ['text/csv', 'csv'],
    ['TEXT/CSV;header=present', 'csv'],
    ['text/csv, */*', 'csv'],
    ['text/csv;q=0.5, */*', null],
    ['text/csv;q=0.5, */*;q=0.1', 'csv'],
    ['text/csv;q=0.5, application/x-ndjson;q=0.8', 'ndjson'],
    ['text/csv, text/xml', null],
    ['text/xml;q=0, */*', 'packets'],
    ['text/csv;q=0, text/*;q=0.5', null],
    ['application/ccsds-space-packets', 'packets'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', null],
    ['nonsense, text/csv', 'csv'],
  ])('%s', (accept, name) => {
    expect(chosen(accept)).toBe(name);
  });

  it.each(['image/png', 'text/csv;q=0', '*/*;q=0', 'text/csv;q=high', 'nonsense'])('%s is none of them', (accept) => {
    expect(() => chosen(accept)).toThrow(
      'Accept: the product is to be had as text/xml, application/ccsds-space-packets, text/csv, application/x-ndjson',
    );
    expect(chooseForm(accept, 'text/xml', [])).toBeNull();
  });
});

describe('a body in another form', () => {
  const start = async () => {
    const gateway = fakeGateway([product('a.xml', 'as it came')]);
    gateway.forms = FORMS;
    return serve(gateway);
  };

  it('has its own type, name and tag; no length, ranges or digest', async () => {
    const { fetch } = await start();
    const plain = await fetch(PATH);
    expect(await plain.text()).toBe('as it came');
    expect(plain.headers.get('vary')).toContain('Accept');
    const response = await fetch(PATH, { headers: { Accept: 'text/csv', Range: 'bytes=0-2' } });
    expect([response.status, await response.text()]).toEqual([200, 'csv of a.xml']);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      ...{ 'content-type': 'text/csv', 'accept-ranges': 'none', vary: expect.stringContaining('Accept') },
      'content-disposition': 'attachment; filename="a.csv"',
    });
    for (const name of ['content-length', 'repr-digest', 'content-range'])
      expect(response.headers.has(name)).toBe(false);
    const tags = [plain, response, await fetch(PATH, { headers: { Accept: 'application/x-ndjson' } })].map(
      ({ headers }) => headers.get('etag'),
    );
    expect(new Set(tags).size).toBe(3);
  });

  it('is known by its tag: unchanged, and no longer', async () => {
    const { fetch } = await start();
    const csv = { Accept: 'text/csv' };
    const etag = (await fetch(PATH, { headers: csv })).headers.get('etag')!;
    const unchanged = await fetch(PATH, { headers: { ...csv, 'If-None-Match': etag } });
    expect([unchanged.status, unchanged.headers.get('etag')]).toEqual([304, etag]);
    expect((await fetch(PATH, { headers: { ...csv, 'If-Match': etag } })).status).toBe(200);
    expect((await fetch(PATH, { headers: { 'If-Match': etag } })).status).toBe(412);
    expect((await fetch(PATH, { headers: { 'If-None-Match': etag } })).status).toBe(200);
    const head = await fetch(PATH, { method: 'HEAD', headers: csv });
    expect([head.status, head.headers.get('content-type'), head.headers.has('content-length')]).toEqual([
      200,
      'text/csv',
      false,
    ]);
  });

  it('is had by name for links; a name that is none is refused by its field, with what is on offer', async () => {
    const { fetch } = await start();
    expect(await (await fetch(`${PATH}?form=ndjson`)).text()).toBe('ndjson of a.xml');
    expect(await (await fetch(`${PATH}?form=csv`, { headers: { Accept: 'application/x-ndjson' } })).text()).toBe(
      'csv of a.xml',
    );
    const response = await fetch(`${PATH}?form=pdf`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      field: 'form',
      detail: expect.stringContaining('there is no form "pdf"; on offer: packets, csv, ndjson'),
    });
  });

  it('that nobody offers is 406, with the media types on offer; a product without forms is sent whatever is accepted', async () => {
    const { fetch } = await start();
    const response = await fetch(PATH, { headers: { Accept: 'image/png' } });
    expect([response.status, response.headers.get('vary')]).toEqual([406, expect.stringContaining('Accept')]);
    expect(await response.json()).toMatchObject({
      field: 'Accept',
      detail: expect.stringContaining('application/ccsds-space-packets, text/csv, application/x-ndjson'),
    });
    const plain = await serve(fakeGateway([product('a.xml', 'as it came')]));
    expect(await (await plain.fetch(PATH, { headers: { Accept: 'image/png' } })).text()).toBe('as it came');
  });
});
