import type { ObjectRef } from '../../../mal/index.js';

/**
 * `{domain}/{version}/{key…}`: domain parts joined by `.`, the key's `/` kept, every part percent-encoded, so that any key reads
 * back exactly; domain parts are not empty, a `.` within one is `%2E`. Segments that URL readers would swallow (empty, `.`, `..`) and
 * the empty domain are written with `~` in front: `~`, `~.`, `~..`; a segment that starts with `~` gets one more.
 */
export function referencePath(ref: ObjectRef): string {
  const domain = ref.domain.map(encodePart).join('.');
  const key = PLAIN.test(ref.key) ? ref.key : ref.key.split('/').map(encodeSegment).join('/');
  return `${guard(domain)}/${ref.version}/${key}`;
}

/** @param path still percent-encoded, without a leading slash. @returns null when it is no reference */
export function parseReferencePath(path: string): ObjectRef | null {
  const match = /^([^/]+)\/(\d{1,10})\/(.*)$/s.exec(path);
  if (match === null) return null;
  const version = Number(match[2]);
  if (version > 0xffff_ffff) return null;
  try {
    const domain = match[1] === '~' ? [] : match[1]!.replace(/^~/, '').split('.').map(decodeURIComponent);
    const key = match[3]!.split('/').map(decodeSegment).join('/');
    return { domain, type: 'Product', key, version };
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

/** Texts that are written as they are; most are. */
const PLAIN = /^[\w-][\w.-]*$/;

const encodePart = (part: string): string =>
  /^[\w-]+$/.test(part) ? part : encodeURIComponent(part).replaceAll('.', '%2E');

const encodeSegment = (segment: string): string => guard(encodeURIComponent(segment));

function guard(encoded: string): string {
  return encoded === '' || encoded.startsWith('~') || /^(?:\.|%2e){1,2}$/i.test(encoded) ? `~${encoded}` : encoded;
}

function decodeSegment(segment: string): string {
  const text = decodeURIComponent(segment);
  return text.startsWith('~') ? text.slice(1) : text;
}
