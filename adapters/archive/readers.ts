import { z } from 'zod';
import { EPOCH_1958, EPOCH_2000, type TimeCode } from '../../src/formats/space-packet/index.js';
import { time } from '../../src/mapping/index.js';
import { nameMatcher } from './names.js';

/** The `readers` part of `mappings/archive.yaml`: which files say something of themselves or of others. */

const epoch = z
  .union([z.enum(['1958', '2000']), z.string()])
  .transform((text, context): bigint => {
    if (text === '1958') return EPOCH_1958;
    if (text === '2000') return EPOCH_2000;
    const found = time(text);
    if (found === undefined) context.addIssue({ code: 'custom', message: 'no ISO 8601 time' });
    return found ?? 0n;
  })
  .default(EPOCH_1958);

/** Bytes between the primary header and the time. */
const offset = z.int().min(0).max(64).default(0);

const timeCode = z.discriminatedUnion('code', [
  z.strictObject({
    code: z.literal('cds'),
    dayBytes: z.union([z.literal(2), z.literal(3)]).default(2),
    subMillisecondBytes: z.union([z.literal(0), z.literal(2), z.literal(4)]).default(2),
    epoch,
    offset,
  }),
  z.strictObject({
    code: z.literal('cuc'),
    coarseBytes: z.int().min(1).max(7).default(4),
    fineBytes: z.int().min(0).max(10).default(2),
    epoch,
    offset,
  }),
]);

const names = z.array(z.string().min(1));

const packetReader = z.strictObject({
  files: names.min(1),
  /** Absent: the packets tell no time. */
  time: timeCode.optional(),
  /** Fixed bytes in front of every packet, in hex. */
  prefix: z
    .string()
    .regex(/^([0-9a-fA-F]{2})+$/, 'hex digits')
    .transform((hex) => Buffer.from(hex, 'hex'))
    .optional(),
  crc: z.boolean().default(false),
});

export const readersSchema = z.strictObject({
  /** Files that may be PDS4 labels; those that are none are ordinary files. `products`: they are products themselves. */
  labels: z.strictObject({ files: names, products: z.boolean().default(true) }).default({ files: [], products: true }),
  /** `<file><suffix>` describes `<file>`: a JSON or YAML object. */
  sidecars: z
    .strictObject({ suffixes: z.array(z.string().regex(/^\..*(json|ya?ml)$/)), products: z.boolean().default(true) })
    .default({ suffixes: [], products: true }),
  /** Files of CCSDS space packets; the first entry that names the file counts. */
  packets: z.array(packetReader).default([]),
});

export type ReadersConfig = z.infer<typeof readersSchema>;

export interface PacketReader {
  readonly time: TimeCode | null;
  readonly prefix: Uint8Array | null;
  readonly crc: boolean;
}

export interface Readers {
  readonly isLabel: (name: string) => boolean;
  readonly labelsAreProducts: boolean;
  /** The name of the file that this one describes, or null. */
  readonly sidecarOf: (name: string) => string | null;
  readonly sidecarSuffixes: readonly string[];
  readonly sidecarsAreProducts: boolean;
  readonly packets: (name: string) => PacketReader | null;
}

export function compileReaders(config: ReadersConfig): Readers {
  const packets = config.packets.map(({ files, ...reader }) => ({
    test: nameMatcher(files),
    reader: { time: reader.time ?? null, prefix: reader.prefix ?? null, crc: reader.crc } satisfies PacketReader,
  }));
  return {
    isLabel: nameMatcher(config.labels.files),
    labelsAreProducts: config.labels.products,
    sidecarOf(name) {
      const suffix = config.sidecars.suffixes.find((end) => name.endsWith(end) && name.length > end.length);
      return suffix === undefined ? null : name.slice(0, -suffix.length);
    },
    sidecarSuffixes: config.sidecars.suffixes,
    sidecarsAreProducts: config.sidecars.products,
    packets: (name) => packets.find(({ test }) => test(name))?.reader ?? null,
  };
}
