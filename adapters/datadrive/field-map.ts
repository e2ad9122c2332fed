import type { AttributeTypeName } from '../../src/mal/index.js';
import { familyOf } from '../../src/mpd/filter/index.js';
import type { Catalogue } from './catalogue.js';
import type { DataDriveConfig } from './config.js';
import { isPlain } from './query.js';
import { siteField } from './record.js';
import type { FieldInfo, FieldKind } from './schema.js';

/** What a field of the index is at a product, as far as a condition on one is the same as a condition on the other. */
export type FieldMeaning =
  | {
      readonly attribute: string;
      readonly type: AttributeTypeName;
      /** `text` only for the analysed field itself; its keyword part is `keyword`. */
      readonly kind: FieldKind;
      /** Longer texts are not indexed; null = no limit. */
      readonly ignoreAbove: number | null;
    }
  | { readonly part: 'productType' | 'source' | 'created' }
  | { readonly reason: string };

export type FieldMap = (field: string) => FieldMeaning;

const FAMILY_OF_KIND: Partial<Record<FieldKind, string>> = {
  ...{ keyword: 'text', text: 'text', integer: 'number', double: 'number', date: 'time', boolean: 'boolean' },
};

/** The way back from fields of the site's index to what a filter of the gateway can name. */
export const fieldMapOf =
  (catalogue: Catalogue, config: DataDriveConfig): FieldMap =>
  (field) => {
    const { fields } = config;
    const [base, infos] = indexed(field, catalogue);
    const [info] = infos;
    if (!info) return { reason: `${field} is no field of the index` };
    if (infos.some((other) => JSON.stringify(other) !== JSON.stringify(info)))
      return { reason: `${field} is indexed in different ways` };
    if (info.range) return { reason: `${field} is a range, which is two attributes here` };
    const kind = field === base ? info.kind : 'keyword';
    const family = FAMILY_OF_KIND[kind];
    if (family === undefined || (info.exact === null && kind !== 'text'))
      return { reason: `${field} cannot be compared here as the index does` };
    if (base === fields.type)
      return decidesAlone(catalogue)
        ? { part: 'productType' }
        : { reason: 'the mapping table decides the product type by more than the object type' };
    if (base === fields.created && kind === 'date') return { part: 'created' };
    if (base === fields.owner && kind === 'keyword' && isPlain(catalogue, 'source', 'ocs_created_by'))
      return { part: 'source' };
    const attribute = attributeOf(base, catalogue, config);
    if (!attribute) return { reason: `${field} is no attribute of every product that has it` };
    if (familyOf(attribute.type) !== family) return { reason: `${field} has another type here than in the index` };
    return { attribute: attribute.name, type: attribute.type, kind, ignoreAbove: info.ignoreAbove };
  };

/** The field, or the one whose keyword part it is, wherever it is indexed. */
function indexed(field: string, { tables }: Catalogue): readonly [string, readonly FieldInfo[]] {
  const all = [...tables.values()];
  const infos = all.map((table) => table.get(field)).filter((info) => info !== undefined);
  if (infos.length > 0) return [field, infos];
  const base = field.slice(0, Math.max(0, field.lastIndexOf('.')));
  const parts = all.map((table) => table.get(base)).filter((info) => info !== undefined);
  return parts.every(({ exact }) => exact === field) ? [base, parts] : [field, []];
}

/** Only the rule made for an object type, or none, takes its documents. */
const decidesAlone = ({ rules, declared }: Catalogue): boolean =>
  rules.types.every(({ name, when }) => !declared.has(name) || when === undefined);

function attributeOf(
  field: string,
  { rules, declared, mapper }: Catalogue,
  { fields }: DataDriveConfig,
): { readonly name: string; readonly type: AttributeTypeName } | undefined {
  const all = [...rules.common.attributes, ...rules.types.flatMap(({ attributes }) => attributes)];
  for (const name of new Set(all.map((attribute) => attribute.name))) {
    const origin = mapper.origin(name);
    if (!origin || siteField(origin.field, fields) !== field) continue;
    const isCommon = rules.common.attributes.some((attribute) => attribute.name === name);
    const special = rules.types.filter((rule) => declared.has(rule.name) && rule.when !== undefined && !rule.skip);
    const everywhere = special.every(({ attributes }) => attributes.some((attribute) => attribute.name === name));
    if (isCommon || everywhere) return { name, type: origin.type };
  }
  return undefined;
}
