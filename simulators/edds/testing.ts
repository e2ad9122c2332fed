import { parseXml, type XmlNode } from './xml-tree.js';

/** A raw SOAP caller for tests: sees bytes, headers and faults as they are. */
export interface RawAnswer {
  readonly status: number;
  readonly type: string;
  readonly cookie: string | null;
  readonly text: string;
  readonly body: XmlNode;
}

export async function rawCall(
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'text/xml', ...headers } });
  const text = await response.text();
  const root = parseXml(Buffer.from(text), 100_000_000);
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    cookie: response.headers.get('set-cookie'),
    text,
    body: root.children.find((child) => child.name === 'Body')!.children[0]!,
  };
}

export function envelope(operation: string, children: string, header = ''): string {
  return (
    `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">${header === '' ? '' : `<s:Header>${header}</s:Header>`}` +
    `<s:Body><e:${operation} xmlns:e="urn:edds-sim:service:1">${children}</e:${operation}></s:Body></s:Envelope>`
  );
}

/** Text of the first descendant with this local name, or null. */
export function textOf(node: XmlNode, name: string): string | null {
  if (node.name === name) return node.text;
  for (const child of node.children) {
    const found = textOf(child, name);
    if (found !== null) return found;
  }
  return null;
}

export function all(node: XmlNode, name: string): XmlNode[] {
  return node.children.flatMap((child) => (child.name === name ? [child] : all(child, name)));
}
