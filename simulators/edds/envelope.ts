import { escapeText } from '../../src/formats/edds-response/index.js';
import { XmlError } from '../../src/formats/xml.js';
import { type EddsFault, invalid } from './fault.js';
import type { Shape } from './shape.js';
import { wireName } from './shape.js';
import { parseXml, type XmlNode } from './xml-tree.js';

const ENVELOPE = {
  '1.1': 'http://schemas.xmlsoap.org/soap/envelope/',
  '1.2': 'http://www.w3.org/2003/05/soap-envelope',
} as const;

export interface SoapRequest {
  /** The one child of the body. */
  readonly body: XmlNode;
  readonly headerToken: string | null;
}

/** A header block that must be understood and is not. */
export class MustUnderstand extends Error {
  override readonly name = 'MustUnderstand';
}

/** Reads an envelope; EddsFault INVALID_REQUEST or MustUnderstand. */
export function readEnvelope(shape: Shape, bytes: Uint8Array, maxBytes: number): SoapRequest {
  if (bytes.length === 0) throw invalid('the request has no body');
  let root: XmlNode;
  try {
    root = parseXml(bytes, maxBytes);
  } catch (error) {
    if (error instanceof XmlError) throw invalid(`the XML of the request cannot be read: ${error.message}`);
    throw error;
  }
  const namespace = ENVELOPE[shape.soap];
  if (root.name !== 'Envelope' || root.namespace !== namespace)
    throw invalid(`the request is no SOAP ${shape.soap} envelope`);
  const bodies = root.children.filter((child) => child.name === 'Body' && child.namespace === namespace);
  if (bodies.length !== 1 || bodies[0]!.children.length !== 1) throw invalid('the SOAP body must hold one element');
  let headerToken: string | null = null;
  const headers = root.children.find((child) => child.name === 'Header' && child.namespace === namespace);
  for (const header of headers?.children ?? []) {
    if (header.name === 'Token' && header.namespace === shape.namespace) headerToken ??= header.text.trim();
    else if (mustUnderstand(header)) throw new MustUnderstand(`the header ${header.name} is not understood`);
  }
  return { body: bodies[0]!.children[0]!, headerToken };
}

function mustUnderstand(header: XmlNode): boolean {
  return Object.entries(header.attributes).some(
    ([name, value]) => /(^|:)mustUnderstand$/.test(name) && (value === '1' || value === 'true'),
  );
}

/** Envelope text before and after the wrapper of an answer. */
export function envelopeParts(shape: Shape): { readonly head: string; readonly tail: string } {
  return {
    head:
      `<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope xmlns:s="${ENVELOPE[shape.soap]}" ` +
      `xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><s:Body>`,
    tail: '</s:Body></s:Envelope>',
  };
}

export function answer(shape: Shape, wrapper: string, children: string): string {
  const { head, tail } = envelopeParts(shape);
  return `${head}<e:${wrapper} xmlns:e="${shape.namespace}">${children}</e:${wrapper}>${tail}`;
}

export function contentType(shape: Shape): string {
  return shape.soap === '1.1' ? 'text/xml; charset=utf-8' : 'application/soap+xml; charset=utf-8';
}

/** A fault and its HTTP status. */
export function faultAnswer(
  shape: Shape,
  fault: EddsFault | MustUnderstand,
  server: boolean,
): { status: number; xml: string } {
  const { head, tail } = envelopeParts(shape);
  const message = escapeText(fault.message);
  const must = fault.name === 'MustUnderstand';
  const detail = must ? '' : faultDetail(shape, fault as EddsFault);
  if (shape.soap === '1.1') {
    const code = must ? 'MustUnderstand' : server ? 'Server' : 'Client';
    const inner = detail === '' ? '' : `<detail>${detail}</detail>`;
    return {
      status: 500,
      xml: `${head}<s:Fault><faultcode>s:${code}</faultcode><faultstring>${message}</faultstring>${inner}</s:Fault>${tail}`,
    };
  }
  const code = must ? 'MustUnderstand' : server ? 'Receiver' : 'Sender';
  const inner = detail === '' ? '' : `<s:Detail>${detail}</s:Detail>`;
  return {
    status: code === 'Sender' ? 400 : 500,
    xml:
      `${head}<s:Fault><s:Code><s:Value>s:${code}</s:Value></s:Code><s:Reason><s:Text xml:lang="en">${message}</s:Text></s:Reason>` +
      `${inner}</s:Fault>${tail}`,
  };
}

function faultDetail(shape: Shape, fault: EddsFault): string {
  const child = (name: string, text: string): string => {
    const tag = (shape.qualified ? 'e:' : '') + wireName(shape, name);
    return `<${tag}>${escapeText(text)}</${tag}>`;
  };
  const id = fault.requestId === null ? '' : child('RequestId', fault.requestId);
  return `<e:EddsFault xmlns:e="${shape.namespace}">${child('Code', fault.code)}${child('Message', fault.message)}${id}</e:EddsFault>`;
}
