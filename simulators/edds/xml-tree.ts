import { xmlReader } from '../../src/formats/xml.js';

/** A small XML document in memory: requests, never response parts. */
export interface XmlNode {
  readonly name: string;
  readonly namespace: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlNode[];
  readonly text: string;
}

interface Growing {
  name: string;
  namespace: string;
  attributes: Readonly<Record<string, string>>;
  children: Growing[];
  text: string;
}

/** XmlError when it is not well-formed, has a DOCTYPE, or is longer than `maxBytes`. */
export function parseXml(bytes: Uint8Array, maxBytes: number): XmlNode {
  const document: Growing = { name: '', namespace: '', attributes: {}, children: [], text: '' };
  const stack: Growing[] = [document];
  const reader = xmlReader(
    {
      open(name, namespace, attributes) {
        const node: Growing = { name, namespace, attributes, children: [], text: '' };
        stack.at(-1)!.children.push(node);
        stack.push(node);
      },
      text(part) {
        stack.at(-1)!.text += part;
      },
      close() {
        stack.pop();
      },
    },
    { maxBytes },
  );
  reader.write(bytes);
  reader.end();
  return document.children[0]!;
}
