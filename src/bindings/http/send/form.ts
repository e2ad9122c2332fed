import type { Form } from '../../../gateway/backend.js';
import { HttpFault } from '../fault.js';

interface MediaRange {
  /** `type/subtype`, lower case; either may be `*`. */
  readonly range: string;
  readonly quality: number;
}

/** How much a client wants a media type, and by how specific a range it said so (3 = by name, 0 = not at all). */
interface Wish {
  readonly quality: number;
  readonly specific: number;
}

/**
 * What to send for an Accept header (RFC 9110 §12.5.1): null = the product as it came, of media type `own`. Highest quality wins,
 * then the more specific wish, then the product as it came. Without forms there is nothing to choose.
 * @throws HttpFault 406 naming what is on offer
 */
export function chooseForm(accept: string | undefined, own: string, forms: readonly Form[]): Form | null {
  if (forms.length === 0 || accept === undefined || accept.trim() === '') return null;
  const ranges = parseAccept(accept);
  const asItCame = best(wishFor(ranges, essence(own)), wishFor(ranges, 'application/octet-stream'));
  let chosen: Form | null = null;
  let wish = asItCame;
  for (const form of forms) {
    const other = wishFor(ranges, essence(form.mediaType));
    if (other.quality > wish.quality || (other.quality === wish.quality && other.specific > wish.specific)) {
      chosen = form;
      wish = other;
    }
  }
  if (wish.quality > 0) return chosen;
  const offered = [essence(own), ...forms.map(({ mediaType }) => mediaType)].join(', ');
  throw new HttpFault(
    406,
    'Invalid',
    { message: `Accept: the product is to be had as ${offered}`, field: 'Accept', extraInformation: offered },
    { Vary: 'Accept' },
  );
}

function parseAccept(header: string): readonly MediaRange[] {
  return header.split(',').flatMap((part) => {
    const [range = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    if (!/^[^\s/]+\/[^\s/]+$/.test(range)) return [];
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const quality = q === undefined ? 1 : /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q) : 0;
    return [{ range, quality }];
  });
}

const NONE: Wish = { quality: 0, specific: 0 };

function wishFor(ranges: readonly MediaRange[], type: string): Wish {
  const names = ['*/*', `${type.split('/')[0]}/*`, type];
  let found = NONE;
  for (const { range, quality } of ranges) {
    const specific = names.indexOf(range) + 1;
    if (specific > found.specific) found = { quality, specific };
  }
  return found;
}

/** A type that is refused by name is not saved by a wider range for another name of it. */
const best = (named: Wish, plain: Wish): Wish =>
  plain.specific > named.specific || (plain.specific === 3 && plain.quality > named.quality) ? plain : named;

const essence = (type: string): string => (type.split(';')[0] ?? '').trim().toLowerCase();
