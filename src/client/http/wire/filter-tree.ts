import { jsonSchemas } from '../../../mal/index.js';
import { decodeTree, encodeTree, type FilterTree, filterTreeSchema } from '../../../mpd/filter/index.js';
import { ProductFilter, TimeWindow } from '../../../mpd/index.js';
import type { Shape } from './shape.js';

export const FilterTreeShape: Shape<FilterTree> = {
  schema: { $ref: '#/components/schemas/FilterTree' },
  components: () => ({ ...jsonSchemas([ProductFilter, TimeWindow]), FilterTree: filterTreeSchema() }),
  encode: encodeTree,
  decode: decodeTree,
};
