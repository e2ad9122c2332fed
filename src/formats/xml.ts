import { StringDecoder } from 'node:string_decoder';
import sax from 'sax';

/** XML that is not well-formed, has a DOCTYPE, or goes beyond a bound; lines and columns count from 1. */
export class XmlError extends Error {
  override readonly name = 'XmlError';
  constructor(
    readonly reason: string,
    readonly line: number,
    readonly column: number,
    /** Characters read up to the fault. */
    readonly position: number,
  ) {
    super(`${reason} (line ${line}, column ${column})`);
  }
}

export interface XmlHandlers {
  /** `name` is the local name; attributes as written, by their full name. */
  readonly open: (name: string, namespace: string, attributes: Readonly<Record<string, string>>, tag: XmlTag) => void;
  /** Text and CDATA; long text comes in several calls. */
  readonly text?: (text: string) => void;
  readonly close?: (name: string, qualified: string) => void;
  /**
   * An element of long plain text, by its local name: where `isOpen`, its text is found by looking for the next tag alone,
   * which is several times as fast. Text with references still goes the usual way.
   */
  readonly plain?: { readonly name: string; readonly isOpen: () => boolean };
}

export interface XmlTag {
  /** Name with prefix, as written. */
  readonly qualified: string;
  readonly selfClosing: boolean;
}

export interface XmlBounds {
  /** Default: none, for files that are streamed. */
  readonly maxBytes?: number;
  /** Nested elements, default 64. */
  readonly maxDepth?: number;
  /** Resolve namespaces, default true. Without, prefixes need no declaration and `namespace` is empty. */
  readonly namespaces?: boolean;
}

export interface XmlReader {
  write(chunk: Uint8Array): void;
  /** Throws when the document is not closed. */
  end(): void;
  /** An error at the current position, for contents that make no sense. */
  fail(reason: string): XmlError;
  readonly position: number;
  readonly line: number;
}

/** A strict, namespace-aware, streaming XML reader; UTF-8 or UTF-16 by byte order mark. Every method may throw XmlError. */
export function xmlReader(handlers: XmlHandlers, bounds: XmlBounds = {}): XmlReader {
  const namespaces = bounds.namespaces ?? true;
  const parser = sax.parser(true, { xmlns: namespaces, position: true });
  const maxDepth = bounds.maxDepth ?? 64;
  let decoder: { write(bytes: Buffer): string; end(): string } | null = null;
  let head: Buffer = Buffer.alloc(0);
  let bytes = 0;
  let depth = 0;
  let closed = false;
  /** Position behind the last opening tag. */
  let openedAt: number | undefined = -1;

  const fail = (reason: string): XmlError =>
    new XmlError(reason, parser.line + 1, parser.column + 1, parser.position ?? 0);

  parser.onerror = (error) => {
    throw fail(error.message.split('\n')[0] ?? 'not well-formed');
  };
  parser.ondoctype = () => {
    throw fail('a DOCTYPE is not allowed');
  };
  parser.onopentag = (tag) => {
    openedAt = parser.position;
    if (++depth > maxDepth) throw fail(`more than ${maxDepth} nested elements`);
    if (!namespaces) {
      handlers.open(localName(tag.name), '', (tag as sax.Tag).attributes, tagOf(tag));
      return;
    }
    const node = tag as sax.QualifiedTag;
    const attributes: Record<string, string> = {};
    for (const name in node.attributes) attributes[name] = node.attributes[name]!.value;
    handlers.open(node.local, node.uri, attributes, tagOf(tag));
  };
  parser.onclosetag = (name) => {
    if (--depth === 0) closed = true;
    handlers.close?.(localName(name), name);
  };
  if (handlers.text !== undefined) {
    parser.ontext = handlers.text;
    parser.oncdata = handlers.text;
  }

  /** The text before went past the parser and had no end yet. */
  let inPlain = false;

  const feed = (text: string): void => {
    const { plain } = handlers;
    if (plain === undefined) return void (text.length > 0 && parser.write(text));
    const mark = `${plain.name}>`;
    let at = 0;
    while (at < text.length) {
      if (inPlain) {
        const tag = text.indexOf('<', at);
        const run = text.slice(at, tag < 0 ? text.length : tag);
        const isPlain = !/[&>]/.test(run);
        if (!isPlain) parser.write(run);
        else if (run !== '') {
          advance(run);
          handlers.text?.(run);
        }
        // What the parser has begun to hold it goes on with.
        inPlain = tag < 0 && isPlain;
        at += run.length;
      } else {
        const found = text.indexOf(mark, at);
        const end = found < 0 ? text.length : found + mark.length;
        parser.write(text.slice(at, end));
        // The last that was read is the tag itself, and no comment that looks like it.
        inPlain = found >= 0 && openedAt === parser.position && plain.isOpen();
        at = end;
      }
    }
  };
  /** Keeps the place that errors tell. */
  const advance = (run: string): void => {
    parser.position = (parser.position ?? 0) + run.length;
    const last = run.lastIndexOf('\n');
    if (last < 0) parser.column += run.length;
    else {
      parser.line += run.split('\n').length - 1;
      parser.column = run.length - last - 1;
    }
  };

  return {
    write(chunk) {
      bytes += chunk.length;
      if (bounds.maxBytes !== undefined && bytes > bounds.maxBytes) {
        throw fail(`more than ${bounds.maxBytes} bytes of XML`);
      }
      let buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      if (decoder === null) {
        head = Buffer.concat([head, buffer]);
        if (head.length < 4 || isCutDeclaration(head)) return;
        decoder = decoderFor(head, fail);
        buffer = head;
        head = Buffer.alloc(0);
      }
      feed(decoder.write(buffer));
    },
    end() {
      if (head.length > 0) feed(head.toString('utf8'));
      if (decoder !== null) feed(decoder.end());
      if (!closed) throw fail(bytes === 0 ? 'no XML at all' : 'the XML ends before its last element is closed');
      parser.close();
    },
    fail,
    get position() {
      return parser.position ?? 0;
    },
    get line() {
      return parser.line + 1;
    },
  };
}

function tagOf(tag: sax.Tag | sax.QualifiedTag): XmlTag {
  return { qualified: tag.name, selfClosing: tag.isSelfClosing };
}

function localName(name: string): string {
  const colon = name.indexOf(':');
  return colon < 0 ? name : name.slice(colon + 1);
}

/** The declaration, which may name the encoding, is not there as a whole. */
const isCutDeclaration = (head: Buffer): boolean =>
  head[0] === 0x3c && head[1] === 0x3f && head.length < 200 && !head.includes(0x3e);

function decoderFor(head: Buffer, fail: (reason: string) => XmlError) {
  if (head[0] === 0xff && head[1] === 0xfe) return new StringDecoder('utf16le');
  if (head[0] === 0xfe && head[1] === 0xff) return bigEndianDecoder();
  if (head[0] === 0 && head[1] === 0x3c) return bigEndianDecoder();
  if (head[0] === 0x3c && head[1] === 0) return new StringDecoder('utf16le');
  const declared = /^[^>]{0,60}encoding\s*=\s*["']([\w.-]+)["']/.exec(head.subarray(0, 100).toString('latin1'))?.[1];
  if (declared === undefined || /^(utf-?8|us-ascii)$/i.test(declared)) return new StringDecoder('utf8');
  if (/^iso-8859-1$/i.test(declared)) return new StringDecoder('latin1');
  throw fail(`the encoding ${declared} is not supported`);
}

function bigEndianDecoder() {
  const decoder = new StringDecoder('utf16le');
  let odd: Buffer = Buffer.alloc(0);
  return {
    write(bytes: Buffer): string {
      const all = Buffer.concat([odd, bytes]);
      const even = all.length - (all.length % 2);
      odd = all.subarray(even);
      return decoder.write(Buffer.from(all.subarray(0, even)).swap16());
    },
    end: () => decoder.end(),
  };
}
