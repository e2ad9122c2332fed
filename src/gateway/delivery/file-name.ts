import { createHash } from 'node:crypto';
import { invalid } from '../../mpd/index.js';

/** Longest name of one file or folder, in UTF-8 bytes: what the common file systems hold. */
const MAX_SEGMENT = 255;
const MAX_PATH = 2048;

/** Temporary names begin so; names of products never do. */
const RESERVED = '.mpd-';

const UNSAFE = /[\p{Cc}/\\]|%(?=[0-9A-Fa-f]{2})/gu;

/**
 * Text as the name of one file: `/`, `\`, control characters and whatever would mean something are written `%XX`, the
 * rest stays readable. Two different texts never give one name; a name too long is cut and ends in its SHA-256.
 * Throws Invalid for the empty text.
 */
export function safeSegment(text: string): string {
  if (text === '') throw invalid('fileName', 'an empty name cannot be the name of a file');
  const name = withoutMeaning(text.replace(UNSAFE, percent));
  return Buffer.byteLength(name) <= MAX_SEGMENT ? name : shortened(name);
}

/** One part of a path that is `.`, `..` or begins as our own names do, with its dot as `%2E`; others as they are. */
export function withoutMeaning(part: string): string {
  const means = part === '.' || part === '..' || part.startsWith(RESERVED);
  return means ? percent('.') + part.slice(1) : part;
}

/** Throws Invalid unless `path` is relative, `/`-separated, without `.`, `..`, empty parts, `\`, control characters or names that are ours. */
export function checkRelativePath(path: string, field = 'fileName'): void {
  const refuse = (reason: string): never => {
    throw invalid(field, `${JSON.stringify(path)} ${reason}`);
  };
  if (Buffer.byteLength(path) > MAX_PATH) refuse(`is longer than ${MAX_PATH} bytes`);
  if (/[\p{Cc}\\]/u.test(path)) refuse('holds a control character or a backslash');
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') refuse('is not a plain relative path');
    if (segment.startsWith(RESERVED)) refuse(`begins with ${RESERVED}, which is kept for temporary files`);
    if (Buffer.byteLength(segment) > MAX_SEGMENT) refuse(`has a part longer than ${MAX_SEGMENT} bytes`);
  }
}

/** Folder and last part of a checked relative path. */
export function splitPath(path: string): { readonly folders: readonly string[]; readonly file: string } {
  const parts = path.split('/');
  return { folders: parts.slice(0, -1), file: parts[parts.length - 1]! };
}

/** Hidden, beside the final file; of one delivery and one epoch, so that nobody else writes or removes it. */
export function temporaryName(deliveryId: string, epoch: number): string {
  return `${RESERVED}${checkedId(deliveryId)}-${epoch}.part`;
}

/** Whether `name` (no folders) is temporary: of any delivery, or of the one given. */
export function isTemporaryName(name: string, deliveryId?: string): boolean {
  if (!name.startsWith(RESERVED) || !name.endsWith('.part')) return false;
  if (deliveryId === undefined) return true;
  const prefix = `${RESERVED}${checkedId(deliveryId)}-`;
  return name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length, -'.part'.length));
}

function checkedId(deliveryId: string): string {
  if (!/^[A-Za-z0-9_-]{1,100}$/.test(deliveryId))
    throw invalid('deliveryId', `${JSON.stringify(deliveryId)} holds more than letters, digits, _ and -`);
  return deliveryId;
}

const percent = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');

function shortened(name: string): string {
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(name)?.[0] ?? '';
  const end = `~${createHash('sha256').update(name).digest('hex').slice(0, 32)}${extension}`;
  return cutBytes(name.slice(0, name.length - extension.length), MAX_SEGMENT - end.length) + end;
}

/** The longest beginning of whole characters that fits. */
function cutBytes(text: string, limit: number): string {
  let bytes = 0;
  let cut = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > limit) break;
    cut += character;
  }
  return cut;
}
