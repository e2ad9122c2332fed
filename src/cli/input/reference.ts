import { createInterface } from 'node:readline/promises';
import { Readable } from 'node:stream';
import { ListedShape, parseReferencePath, referencePath } from '../../client/http/wire/index.js';
import type { ListedProduct } from '../../client/index.js';
import { DecodeError, type ObjectRef } from '../../mal/index.js';
import { unknown } from '../../mpd/index.js';
import type { Context } from '../context.js';
import { usage } from '../exit-codes.js';
import type { WireClients } from '../wire.js';

/** How a product is written on the command line: `domain/version/key`, as `products list` prints it; it survives copy and paste. */
export const writtenRef = (ref: ObjectRef): string => referencePath(ref);

type Finder = Pick<WireClients, 'client' | 'http'>;

/** Reads `domain/version/key` (exactly that version) or `domain:key` (the current one). */
export async function findProduct(text: string, { client, http }: Finder, signal: AbortSignal): Promise<ListedProduct> {
  const ref = parseReferencePath(text);
  if (ref !== null && http !== null) return http.getMetadata(ref, { signal });
  const { domain, key } = ref ?? currentRef(text);
  const productFilter = { productType: null, domain, sources: null, attributeFilter: null };
  const tree = http === null ? {} : { tree: { pathPrefix: key } };
  let found: ListedProduct | null = null;
  for await (const product of client.listProducts({ productFilter, ...tree }, { signal })) {
    const { productRef } = product.metadata;
    if (productRef.key !== key || (ref !== null && ref.version !== productRef.version)) continue;
    // Providers may hold several versions; the latest is the current one.
    if (found === null || productRef.version > found.metadata.productRef.version) found = product;
    if (http !== null) break;
  }
  if (found === null) throw unknown([0], `there is no product ${key} in domain ${domain.join('.')}`);
  return found;
}

function currentRef(text: string): { readonly domain: readonly string[]; readonly key: string } {
  const at = text.indexOf(':');
  if (at < 0 || at === text.length - 1)
    throw usage(`expected a product as domain/version/key or domain:key, not ${JSON.stringify(text)}`);
  return { domain: at === 0 ? [] : text.slice(0, at).split('.'), key: text.slice(at + 1) };
}

/** A product to fetch or deliver. */
export interface NamedProduct {
  readonly ref: ObjectRef;
  /** Null where the transport tells none. */
  readonly revision: string | null;
  /** Name that the gateway suggests. */
  readonly fileName: string | null;
}

const named = ({ metadata, revision, fileName }: ListedProduct): NamedProduct => ({
  ref: metadata.productRef,
  revision,
  fileName,
});

/** The products named by arguments; `-` stands for lines of standard input, written likewise or as JSON from `products list`. */
export async function* productsIn(
  texts: readonly string[],
  finder: Finder,
  context: Context,
  signal: AbortSignal,
): AsyncGenerator<NamedProduct> {
  /** Over MAL a full reference is enough: nothing but a list could tell more. */
  const find = async (text: string): Promise<NamedProduct> => {
    const ref = finder.http === null ? parseReferencePath(text) : null;
    return ref === null ? named(await findProduct(text, finder, signal)) : { ref, revision: null, fileName: null };
  };
  for (const text of texts) {
    if (text !== '-') {
      yield finder.http === null ? { ...(await find(text)), revision: null } : await find(text);
      continue;
    }
    for await (const line of createInterface({
      input: Readable.from(context.stdin),
      crlfDelay: Number.POSITIVE_INFINITY,
    })) {
      if (line.trim() === '') continue;
      const product = line.startsWith('{') ? named(listedLine(line)) : await find(line.trim());
      yield finder.http === null ? { ...product, revision: null } : product;
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
