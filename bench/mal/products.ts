import type { Attribute } from '../../src/mal/index.js';
import type { ProductMetadata } from '../../src/mpd/index.js';
import { product } from '../../test/interop/products.js';

/** One attribute of several types: what metadata of a mission looks like. */
export const ATTRIBUTES: Readonly<Record<string, Attribute>> = {
  apid: { type: 'UInteger', value: 17 },
  band: { type: 'String', value: 'X-band' },
  lat: { type: 'Double', value: 5.25 },
  lon: { type: 'Double', value: -15.5 },
  mission: { type: 'String', value: 'JUICE' },
  packets: { type: 'Long', value: 12_345n },
  start: { type: 'Time', value: 1_700_000_000_000_000_000n },
  station: { type: 'Identifier', value: 'NNO-1' },
};

/** Metadata as ESA's `--bulk` makes it, or with attributes. */
export const metadataOf = (count: number, rich: boolean): ProductMetadata[] =>
  Array.from(
    { length: count },
    (_, i) => product(`p-${i}`, { domain: ['peer', 'bulk'], attributes: rich ? ATTRIBUTES : {} }).productMetadata,
  );
