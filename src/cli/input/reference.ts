import { createInterface } from 'node:readline/promises';
import { Readable } from 'node:stream';
import { ListedShape, parseReferencePath, referencePath } from '../../client/http/wire/index.js';
import type { HttpClient, ListedProduct } from '../../client/index.js';
import { DecodeError, type ObjectRef } from '../../mal/index.js';
import { unknown } from '../../mpd/index.js';
import type { Context } from '../context.js';
import { usage } from '../exit-codes.js';

/** How a product is written on the command line: `domain/version/key`, as `products list` prints it; it survives copy and paste. */
export const writtenRef = (ref: ObjectRef): string => referencePath(ref);

/** Reads `domain/version/key` (exactly that version) or `domain:key` (the current one). */
export async function findProduct(text: string, client: HttpClient, signal: AbortSignal): Promise<ListedProduct> {
  const ref = parseReferencePath(text);
  if (ref !== null) return client.getMetadata(ref, { signal });
  const at = text.indexOf(':');
  if (at < 0 || at === text.length - 1)
    throw usage(`expected a product as domain/version/key or domain:key, not ${JSON.stringify(text)}`);
  const domain = at === 0 ? [] : text.slice(0, at).split('.');
  const key = text.slice(at + 1);
  const productFilter = { productType: null, domain, sources: null, attributeFilter: null };
  for await (const product of client.listProducts({ productFilter, tree: { pathPrefix: key } }, { signal })) {
    if (product.metadata.productRef.key === key) return product;
  }
  throw unknown([0], `there is no product ${key} in domain ${domain.join('.')}`);
}

/** The products named by arguments; `-` stands for lines of standard input, written likewise or as JSON from `products list`. */
export async function* productsIn(
  texts: readonly string[],
  client: HttpClient,
  context: Context,
  signal: AbortSignal,
): AsyncGenerator<ListedProduct> {
  for (const text of texts) {
    if (text !== '-') {
      yield await findProduct(text, client, signal);
      continue;
    }
    for await (const line of createInterface({
      input: Readable.from(context.stdin),
      crlfDelay: Number.POSITIVE_INFINITY,
    })) {
      if (line.trim() !== '')
        yield line.startsWith('{') ? listedLine(line) : await findProduct(line.trim(), client, signal);
    }
  }
}

function listedLine(line: string): ListedProduct {
  try {
    return ListedShape.decode(JSON.parse(line));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DecodeError)
      throw usage(`standard input: ${line.slice(0, 60)}… is no product (${error.message})`);
    throw error;
  }
}
