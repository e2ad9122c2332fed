import { formatTime, formatTimeDayOfYear } from '../../mal/index.js';
import type { ProductMetadata } from '../../mpd/index.js';
import { invalid } from '../../mpd/index.js';

/**
 * Sub-folders of deliverTo, as in `{productType}/{created:yyyy}/{created:doy}`. Fields: `productType`, `domain` (one folder a part),
 * `source`, `attr.NAME`, and `created`, `content` with `:yyyy`, `:mm`, `:dd`, `:doy` or `:date`. An absent value is `none`.
 */
const FIELD = /\{([^{}]*)\}/g;
const TIME_FIELD = /^(created|content):(yyyy|mm|dd|doy|date)$/;

/** @throws MpdError Invalid naming the field and the part that is not understood */
export function checkTemplate(template: string, field: string): void {
  for (const [, name = ''] of template.matchAll(FIELD)) {
    if (!TIME_FIELD.test(name) && !['productType', 'domain', 'source'].includes(name) && !/^attr\.\S+$/.test(name))
      throw invalid(
        field,
        `{${name}} is not known; use productType, domain, source, attr.NAME, created:yyyy|mm|dd|doy|date`,
      );
  }
  const rest = template.replace(FIELD, 'x');
  if (/[{}\\\p{Cc}]/u.test(rest)) throw invalid(field, 'holds braces, a backslash or a control character');
  if (rest.startsWith('/') || rest.split('/').some((part) => part === '..' || part === '.' || part === ''))
    throw invalid(field, 'must be a relative path without empty, "." or ".." parts');
}

/** @param safe makes one value a safe folder name */
export function fillTemplate(template: string, metadata: ProductMetadata, safe: (text: string) => string): string {
  return template.replace(FIELD, (_, name: string) => {
    const time = TIME_FIELD.exec(name);
    if (time) return timePart(time[1] === 'created' ? metadata.creationDate : metadata.contentDate.start, time[2]!);
    if (name === 'productType') return safe(metadata.productType.name);
    if (name === 'domain') return metadata.productRef.domain.map(safe).join('/') || 'none';
    if (name === 'source') return safe(metadata.source ?? 'none');
    const value = metadata.attributes?.find((attribute) => attribute.name === name.slice('attr.'.length))?.value;
    return safe(value == null ? 'none' : String(value.value));
  });
}

function timePart(ns: bigint, part: string): string {
  const date = formatTime(ns).slice(0, 10);
  if (part === 'doy') return formatTimeDayOfYear(ns).slice(5, 8);
  if (part === 'date') return date;
  return { yyyy: date.slice(0, 4), mm: date.slice(5, 7), dd: date.slice(8, 10) }[part]!;
}
