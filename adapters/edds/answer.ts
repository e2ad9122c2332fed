import { XmlError, xmlReader } from '../../src/formats/xml.js';

/** A SOAP answer without the content of a part, which went elsewhere as it came. Local names only. */
export interface AnswerNode {
  readonly name: string;
  readonly text: string;
  readonly nil: boolean;
  readonly children: readonly AnswerNode[];
}

interface Growing {
  name: string;
  text: string;
  nil: boolean;
  children: Growing[];
}

export interface AnswerOptions {
  /** Names below the wrapper at which the content of a part stands. */
  readonly content?: readonly string[];
  readonly maxBytes: number;
}

/** How the content came. */
export type ContentForm = 'none' | 'base64' | 'inline' | 'attached';

export interface AnswerReader {
  /** Takes a piece of the envelope; gives the pieces of content in it. XmlError when it is no XML. */
  write(chunk: Uint8Array): Uint8Array[];
  end(): AnswerNode;
  readonly form: ContentForm;
  /** Content-ID of the attachment that is the content. */
  readonly attachment: string | null;
}

const EQUALS = 0x3d;
const XOP = 'http://www.w3.org/2004/08/xop/include';
const DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';

/** Reads an envelope as it streams in. Base64 text goes past the XML parser, an element inside the content is written out again. */
export function answerReader(options: AnswerOptions): AnswerReader {
  const content = options.content ?? [];
  const document: Growing = { name: '', text: '', nil: false, children: [] };
  const stack: Growing[] = [document];
  let out: Uint8Array[] = [];
  let form: ContentForm = 'none';
  let attachment: string | null = null;
  let inContent = 0;
  let digits = '';
  let padded = false;
  /** There is white space between the digits. */
  let spaced = false;
  let markup = '';
  let kept = 0;
  /** The last chunk ended within a tag. */
  let inTag = false;

  const atContent = (): boolean =>
    content.length > 0 &&
    stack.length === content.length + 4 &&
    content.every((name, index) => stack[index + 4]!.name === name);

  const flushMarkup = (): void => {
    if (markup !== '') out.push(Buffer.from(markup));
    markup = '';
  };
  const decode = (text: string): void => {
    const clean = /\s/.test(text) ? text.replace(/\s+/g, '') : text;
    if (clean === '') return;
    if (padded) throw xml.fail('the content is not base64');
    form = 'base64';
    digits += clean;
    const whole = digits.length - (digits.length % 4);
    if (whole > 0) {
      const bytes = Buffer.from(digits.slice(0, whole), 'base64');
      // Foreign characters are skipped by the decoder, so that too little comes out.
      const padding = digits[whole - 1] !== '=' ? 0 : digits[whole - 2] === '=' ? 2 : 1;
      if (bytes.length !== (whole / 4) * 3 - padding) throw xml.fail('the content is not base64');
      padded = padding > 0;
      out.push(bytes);
    }
    digits = digits.slice(whole);
  };
  /** Whole groups of digits go to the decoder as they lie; whatever is not as simple as that goes the long way. */
  const decodeBytes = (chunk: Uint8Array, from: number, end: number): void => {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = from;
    if (digits !== '') {
      at = Math.min(end, from + 4 - digits.length);
      decode(bytes.toString('latin1', from, at));
    }
    const stop = end - ((end - at) % 4);
    if (stop > at && digits === '' && !padded && !spaced) {
      const padding = bytes[stop - 1] !== EQUALS ? 0 : bytes[stop - 2] === EQUALS ? 2 : 1;
      const decoded = Buffer.from(bytes.toString('latin1', at, stop), 'base64');
      if (decoded.length === ((stop - at) / 4) * 3 - padding) {
        form = 'base64';
        padded = padding > 0;
        out.push(decoded);
        at = stop;
      } else spaced = true;
    }
    if (at < end) decode(bytes.toString('latin1', at, end));
  };
  const inside = (): boolean => inContent > 0 && stack.length > inContent;

  const xml = xmlReader(
    {
      open(name, namespace, attributes, tag) {
        if (inContent > 0) {
          if (!inside() && name === 'Include' && namespace === XOP) {
            form = 'attached';
            attachment = decodeURIComponent((attributes.href ?? '').replace(/^cid:/, ''));
          } else if (form !== 'attached') {
            if (!inside()) {
              if (form === 'base64') throw xml.fail('the content is both text and markup');
              form = 'inline';
              markup += DECLARATION;
            }
            markup += startTag(tag.qualified, namespace, attributes, !inside(), tag.selfClosing);
          }
          stack.push({ name: tag.selfClosing ? '/' : name, text: '', nil: false, children: [] });
          return;
        }
        const node: Growing = { name, text: '', nil: attributes['xsi:nil'] === 'true', children: [] };
        kept += name.length + 40;
        if (kept > options.maxBytes) throw xml.fail(`the answer is longer than ${options.maxBytes} bytes`);
        stack.at(-1)!.children.push(node);
        stack.push(node);
        if (atContent()) inContent = stack.length;
      },
      text(part) {
        if (inContent > 0) {
          if (inside()) {
            if (form === 'inline') markup += escaped(part);
          } else if (form === 'none' || form === 'base64') decode(part);
          if (markup.length > 65_536) flushMarkup();
          return;
        }
        kept += part.length;
        if (kept > options.maxBytes) throw xml.fail(`the answer is longer than ${options.maxBytes} bytes`);
        stack.at(-1)!.text += part;
      },
      close(_, qualified) {
        if (inside()) {
          if (form === 'inline' && stack.at(-1)!.name !== '/') markup += `</${qualified}>`;
          if (stack.length === inContent + 1 && form === 'inline') markup += '\n';
        } else if (inContent === stack.length && inContent > 0) {
          if (digits !== '') throw xml.fail('the base64 content is cut off');
          flushMarkup();
          inContent = 0;
        }
        stack.pop();
      },
    },
    { maxDepth: 100 },
  );

  return {
    write(chunk) {
      out = [];
      let at = 0;
      while (at < chunk.length) {
        // Within base64 nothing but the next tag matters.
        if (!inTag && inContent > 0 && !inside() && (form === 'none' || form === 'base64')) {
          const tag = chunk.indexOf(0x3c, at);
          const end = tag < 0 ? chunk.length : tag;
          if (end > at) decodeBytes(chunk, at, end);
          at = end;
          if (at >= chunk.length) break;
        }
        const next = nextTagEnd(chunk, at, inContent > 0 && !inside());
        const piece = chunk.subarray(at, next);
        const opened = piece.lastIndexOf(0x3c);
        const closed = piece.lastIndexOf(0x3e);
        if (opened !== closed) inTag = opened > closed;
        xml.write(piece);
        at = next;
      }
      if (form === 'inline' && markup.length > 65_536) flushMarkup();
      return out;
    },
    end() {
      xml.end();
      return document.children[0]!;
    },
    get form() {
      return form;
    },
    get attachment() {
      return attachment;
    },
  };

  /** Up to the end of the next tag as long as the content may begin there, else all there is. */
  function nextTagEnd(chunk: Uint8Array, at: number, contentOpen: boolean): number {
    const mayBegin = content.length > 0 && form === 'none' && (inContent === 0 || contentOpen);
    if (!mayBegin) return chunk.length;
    const end = chunk.indexOf(0x3e, at);
    return end < 0 ? chunk.length : end + 1;
  }
}

function startTag(
  name: string,
  namespace: string,
  attributes: Readonly<Record<string, string>>,
  root: boolean,
  closed: boolean,
): string {
  const colon = name.indexOf(':');
  const declaration = colon < 0 ? 'xmlns' : `xmlns:${name.slice(0, colon)}`;
  const all =
    root && namespace !== '' && attributes[declaration] === undefined
      ? { [declaration]: namespace, ...attributes }
      : attributes;
  const written = Object.entries(all).map(([key, value]) => ` ${key}="${escaped(value).replaceAll('"', '&quot;')}"`);
  return `<${name}${written.join('')}${closed ? '/' : ''}>`;
}

function escaped(text: string): string {
  return /[&<>]/.test(text) ? text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;') : text;
}

/** Nodes at a path below `node`; every element may repeat. */
export function nodesAt(node: AnswerNode, path: string): readonly AnswerNode[] {
  return path
    .split('.')
    .reduce<readonly AnswerNode[]>(
      (nodes, name) => nodes.flatMap((one) => one.children.filter((child) => child.name === name)),
      [node],
    );
}

/** Text at a path; null when absent, nil or the path is not given. */
export function textAt(node: AnswerNode, path: string | undefined): string | null {
  if (path === undefined) return null;
  const found = nodesAt(node, path)[0];
  return found === undefined || found.nil ? null : found.text.trim();
}

export { XmlError };
