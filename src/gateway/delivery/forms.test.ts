import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MpdError } from '../../mpd/index.js';
import { fileTarget } from '../../targets/file/index.js';
import type { Form } from '../backend.js';
import { formFileName, formsFor, requireForm } from '../forms.js';
import { memoryBackend } from '../testing.js';
import { type DeliveryBench, deliveryBench } from './testing.js';

const UPPER: Form = {
  ...{ name: 'upper', mediaType: 'text/x-upper', suffix: '.up', replaces: '.txt', description: 'In capitals' },
  productTypes: ['text'],
};

describe('an order that wants another form', () => {
  let bench: DeliveryBench;
  let fault: string | null;
  let opened: (string | undefined)[];

  beforeEach(async () => {
    fault = null;
    opened = [];
    const memory = memoryBackend();
    const backend = {
      ...memory,
      forms: [UPPER],
      async open(...[ref, options]: Parameters<typeof memory.open>) {
        opened.push(options.form);
        const body = await memory.open(ref, options);
        if (options.form === undefined) return { ...body, fault: () => fault };
        async function* upper() {
          for await (const chunk of body.stream) yield Buffer.from(Buffer.from(chunk).toString().toUpperCase());
        }
        return { ...body, size: null, stream: upper(), fault: () => fault };
      },
    };
    bench = await deliveryBench({ backend, target: (root) => fileTarget([root]) });
  });
  afterEach(() => bench.close());

  const delivered = async (type: string, values: Parameters<DeliveryBench['order']>[0] = {}) => {
    const order = await bench.order({ form: 'upper', ...values });
    const md5 = createHash('md5').update('hello').digest();
    const claim = { algorithm: 'md5' as const, value: md5 };
    await bench.queue(order, bench.backend.put('a.txt', 'hello', { type, claim }));
    bench.workers();
    const row = async () => (await bench.ledger())[0]!;
    await expect.poll(async () => (await row()).state, { timeout: 20_000 }).toMatch(/notified|dead/);
    return bench.deliveries.get((await row()).id, bench.alice);
  };

  it('gets it, under its own ending, checked as sent; the claim of the source is not held against it', async () => {
    const info = await delivered('text');
    expect(await bench.files()).toEqual({ 'a.up': 'HELLO' });
    const checksum = createHash('sha256').update('HELLO').digest('hex');
    expect(info).toMatchObject({
      ...{ state: 'notified', filename: 'a.up', bytes: 5n, checksum, targetCheck: 'verified', sourceCheck: 'none' },
      log: [{ error: null }],
    });
    expect(opened).toEqual(['upper']);
  });

  it('gets what has no such form as it came, and the attempt says so', async () => {
    const info = await delivered('other');
    expect(await bench.files()).toEqual({ 'a.txt': 'hello' });
    expect(info.log[0]!.error).toBe('sent as it came: other has no form upper');
    expect(info).toMatchObject({ sourceCheck: 'ok', errorClass: null });
  });

  it('gets what was good of a faulty product, marked, with the reason in the attempt', async () => {
    fault = '2 elements were left out: no hex (line 7, character 99)';
    const info = await delivered('text');
    expect(info).toMatchObject({ state: 'notified', sourceCheck: 'mismatch', log: [{ error: fault }] });
    expect(await bench.files()).toEqual({ 'a.up': 'HELLO' });
  });

  it('a faulty product as it came is marked as well, whatever its checksum says', async () => {
    fault = 'it ends early (line 7, character 99)';
    const info = await delivered('text', { form: null });
    expect(info).toMatchObject({ state: 'notified', sourceCheck: 'mismatch', log: [{ error: fault }] });
  });

  it('a faulty product is held where the order says so', async () => {
    fault = 'it ends early (line 7, character 99)';
    const info = await delivered('text', { on_bad_source: 'hold' });
    expect(info).toMatchObject({ state: 'dead', errorClass: 'held', sourceCheck: 'mismatch' });
    expect(info.cause).toContain(fault);
    expect(await bench.files()).toEqual({});
  });
});

describe('a delivery at once', () => {
  it('in a form that all have is strict; its files are named by their ending from the start', async () => {
    const memory = memoryBackend();
    const backend = {
      ...memory,
      forms: [UPPER],
      async open(...[ref, options]: Parameters<typeof memory.open>) {
        const body = await memory.open(ref, options);
        if (options.form === undefined) return body;
        async function* upper() {
          for await (const chunk of body.stream) yield Buffer.from(Buffer.from(chunk).toString().toUpperCase());
        }
        return { ...body, size: null, stream: upper() };
      },
    };
    const bench = await deliveryBench({ backend, target: (root) => fileTarget([root]) });
    try {
      const [a, b] = [backend.put('a.txt', 'hello', { type: 'text' }), backend.put('b.txt', 'x', { type: 'other' })];
      const to = await bench.folder('in');
      const { signal } = new AbortController();
      const refs = [a, b].map(({ metadata }) => metadata.productRef);
      await expect(bench.deliveries.deliverFiles(refs, to, bench.alice, signal, 'upper')).rejects.toMatchObject({
        ...{ code: 'Invalid', field: 'form' },
      });
      bench.workers();
      const { files } = await bench.deliveries.deliverFiles([refs[0]!], to, bench.alice, signal, 'upper');
      for await (const file of files) expect(file).toMatchObject({ success: true, filename: 'a.up' });
      expect(await bench.files()).toEqual({ 'a.up': 'HELLO' });
    } finally {
      await bench.close();
    }
  });
});

describe('forms on offer', () => {
  const backend = { ...memoryBackend('b', ['test']), forms: [UPPER] };
  const filter = (productType: string | null, domain: readonly string[] | null = null) => ({
    filter: { productType, domain, sources: null, attributeFilter: null },
  });

  it('are those of the backends and types that a filter may accept', () => {
    expect(formsFor([backend], null)).toEqual([UPPER]);
    expect(formsFor([backend, backend], filter('text'))).toEqual([UPPER]);
    expect(formsFor([backend], filter('other'))).toEqual([]);
    expect(formsFor([backend], filter('text', ['elsewhere']))).toEqual([]);
  });

  it('a form that is none is refused by its field, with what is on offer', () => {
    expect(requireForm('upper', [UPPER], 'form')).toBe(UPPER);
    const refusal = (forms: readonly Form[]) => {
      try {
        requireForm('lower', forms, 'form');
      } catch (error) {
        return error as MpdError;
      }
      throw new Error('was accepted');
    };
    expect(refusal([UPPER])).toMatchObject({ code: 'Invalid', field: 'form' });
    expect(refusal([UPPER]).message).toContain('there is no form "lower"; on offer: upper');
    expect(refusal([]).message).toContain('these products are given as they came only');
    expect(refusal([])).toBeInstanceOf(MpdError);
  });

  it('name files by their ending', () => {
    expect(formFileName('a.txt', UPPER)).toBe('a.up');
    expect(formFileName('a.dat', UPPER)).toBe('a.dat.up');
    expect(formFileName('txt', UPPER)).toBe('txt.up');
  });
});
