import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerReader, nodesAt, textAt } from './answer.js';
import { type MultipartEvent, parameterOf, readMultipart } from './multipart.js';

const wrap = (content: string): string =>
  `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="urn:model"><s:Body>` +
  `<e:answer xmlns:e="urn:e"><response><Name>a &amp; b</Name><Content>${content}</Content><After>1</After></response></e:answer></s:Body></s:Envelope>`;

function read(text: string, cut: number, maxBytes = 100_000) {
  const reader = answerReader({ content: ['response', 'Content'], maxBytes });
  const bytes = Buffer.from(text);
  const content: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += cut) content.push(...reader.write(bytes.subarray(at, at + cut)));
  const root = reader.end();
  const answer = nodesAt(root, 'Body.answer')[0]!;
  return { content: Buffer.concat(content), form: reader.form, attachment: reader.attachment, answer };
}

describe('the content of an answer', () => {
  it('is decoded from base64 however the answer is cut and the text broken into lines; the rest of the answer is kept', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 500 }),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 1000 }),
        (bytes, cut, line) => {
          const text = Buffer.from(bytes)
            .toString('base64')
            .replace(new RegExp(`.{${line}}`, 'g'), '$&\r\n');
          const { content, form, answer } = read(wrap(text), cut);
          expect(content.equals(Buffer.from(bytes))).toBe(true);
          expect(form).toBe(bytes.length === 0 ? 'none' : 'base64');
          expect([textAt(answer, 'response.Name'), textAt(answer, 'response.After')]).toEqual(['a & b', '1']);
        },
      ),
    );
  });

  it('is written out again when it is an element, with what its prefixes mean', () => {
    const inner = '<m:Part a="1 &quot;2&quot;"><x/><y> &lt;&amp; </y><m:z>é</m:z></m:Part>';
    for (const cut of [1, 2, 7, 1000]) {
      const { content, form } = read(wrap(inner), cut);
      expect(form).toBe('inline');
      expect(content.toString()).toBe(
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<m:Part xmlns:m="urn:model" a="1 &quot;2&quot;"><x/><y> &lt;&amp; </y><m:z>é</m:z></m:Part>\n',
      );
    }
  });

  it('is looked for in an attachment when it refers to one', () => {
    const include = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:a%40b"/>';
    expect(read(wrap(include), 5)).toMatchObject({ form: 'attached', attachment: 'a@b', content: Buffer.alloc(0) });
  });

  it.each([
    ['no base64', wrap('ab!d'), 'not base64'],
    ['padding in the middle', wrap('QQ==QUJD'), 'not base64'],
    ['base64 that is cut off', wrap('QUJDR'), 'cut off'],
    ['an end before the end', wrap('QUJD').slice(0, -30), 'ends before'],
    ['a DOCTYPE', `<!DOCTYPE a>${wrap('')}`, 'DOCTYPE'],
  ])('fails on %s', (_, text, reason) => {
    for (const cut of [1, 1000]) expect(() => read(text, cut)).toThrow(reason);
  });

  it('does not count against the bound of the answer, everything else does', () => {
    const large = Buffer.alloc(50_000, 7).toString('base64');
    expect(read(wrap(large), 4096, 2000).content.length).toBe(50_000);
    expect(() => read(wrap('').replace('a &amp; b', 'x'.repeat(3000)), 4096, 2000)).toThrow('longer than 2000');
  });
});

describe('attachments', () => {
  const collect = async (bytes: Uint8Array, cut: number): Promise<{ headers: MultipartEvent[]; parts: Buffer[] }> => {
    const headers: MultipartEvent[] = [];
    const parts: Buffer[] = [];
    for await (const event of readMultipart(pieces(bytes, cut), 'b1')) {
      if (event.kind === 'part') {
        headers.push(event);
        parts.push(Buffer.alloc(0));
      } else parts.push(Buffer.concat([parts.pop()!, event.data]));
    }
    return { headers, parts };
  };
  const body = (...parts: Uint8Array[]): Buffer =>
    Buffer.concat([
      ...parts.flatMap((part, index) => [Buffer.from(`\r\n--b1\r\nContent-ID: <${index}>\r\nX: y\r\n\r\n`), part]),
      Buffer.from('\r\n--b1--\r\n'),
    ]);

  it('come back byte for byte however they are cut, also when they look like boundaries', async () => {
    const tricky = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .array(fc.constantFrom('\r\n--b', '\r\n--', '--b1', '\r', '\n', '-', 'x'), { maxLength: 30 })
        .map((all) => Buffer.from(all.join('').replaceAll('\r\n--b1', ''))),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(tricky, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 50 }),
        async (parts, cut) => {
          const clean = parts.filter((part) => !Buffer.from(part).includes('\r\n--b1'));
          fc.pre(clean.length > 0);
          const read_ = await collect(body(...clean), cut);
          expect(read_.parts.map((part) => part.toString('hex'))).toEqual(
            clean.map((part) => Buffer.from(part).toString('hex')),
          );
          expect(read_.headers[0]).toEqual({ kind: 'part', headers: { 'content-id': '<0>', x: 'y' } });
        },
      ),
    );
  });

  it('may have a preamble, and must have an end', async () => {
    const whole = Buffer.concat([Buffer.from('to be ignored'), body(Buffer.from('abc'))]);
    expect((await collect(whole, 3)).parts).toEqual([Buffer.from('abc')]);
    for (const length of [0, 5, whole.length - 12])
      await expect(collect(whole.subarray(0, length), 4)).rejects.toThrow('cut off');
  });

  it('are told by the parameters of the content type', () => {
    const type = 'multipart/related; type="application/xop+xml"; boundary="a b;c" ; start=<x>';
    expect([parameterOf(type, 'boundary'), parameterOf(type, 'START'), parameterOf(type, 'charset')]).toEqual([
      'a b;c',
      '<x>',
      null,
    ]);
  });
});

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
