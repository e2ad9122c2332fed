import { type Commands, commands } from './commands.js';
import { type Parameters, parameters } from './parameters.js';
import { fillRandom, hash32 } from './random.js';
import { type Telemetry, telemetry } from './telemetry.js';

/** What the archive of one mission follows from. Kept in the state, so that it is the same after a restart. */
export interface ArchiveDescription {
  readonly seed: number;
  /** Milliseconds since 1970: nothing is older. */
  readonly begin: number;
  /** Milliseconds since 1970: nothing is newer; null = it grows with the clock. */
  readonly end: number | null;
  /** Microseconds between telemetry packets, commands, parameter samples. */
  readonly packetInterval: number;
  readonly commandInterval: number;
  readonly sampleInterval: number;
  /** Files in the catalogue. */
  readonly files: number;
  readonly packetBytes?: number;
  readonly packetCrc?: boolean;
}

/** A file of the catalogue, an auxiliary product. */
export interface AuxiliaryFile {
  readonly name: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Period that the content is about, ms; default the time itself. */
  readonly begin?: number;
  readonly end?: number;
}

export interface Archive {
  readonly telemetry: Telemetry;
  readonly commands: Commands;
  readonly parameters: Parameters;
  readonly description: ArchiveDescription;
  /** The catalogue's files: those invented, as many as said, and those put in. */
  files(invented: number): AuxiliaryFile[];
  fileContent(name: string): Uint8Array;
  putFile(file: Omit<AuxiliaryFile, 'size'>, content: Uint8Array): void;
  removeFile(name: string): void;
}

const SPACECRAFT: Readonly<Record<string, number>> = { SOL: 650, BC: 204 };

export function archiveOf(domain: string, description: ArchiveDescription): Archive {
  const seed = domain.split('').reduce((value, letter) => hash32(value, letter.charCodeAt(0)), description.seed);
  const begin = description.begin * 1000;
  const spacecraftId = SPACECRAFT[domain] ?? 999;
  const file = (index: number): AuxiliaryFile => ({
    name: `${domain}_ORB_${String(index).padStart(5, '0')}.oem`,
    size: 200 + (hash32(seed + 7, index) % 4000),
    time: description.begin + index * 1000,
  });
  const indexOf = (name: string): number => Number(/_(\d+)\.oem$/.exec(name)?.[1] ?? -1);
  const put = new Map<string, { readonly file: AuxiliaryFile; readonly content: Uint8Array }>();
  return {
    description,
    telemetry: telemetry({
      seed,
      spacecraftId,
      begin,
      interval: description.packetInterval,
      crc: description.packetCrc ?? false,
      ...(description.packetBytes !== undefined && { packetBytes: description.packetBytes }),
    }),
    commands: commands({ seed, domain, spacecraftId, begin, interval: description.commandInterval }),
    parameters: parameters({ seed, begin, interval: description.sampleInterval }),
    files: (invented) => [
      ...Array.from({ length: invented }, (_, index) => file(index)),
      ...[...put.values()].map((one) => one.file),
    ],
    putFile: (given, content) => void put.set(given.name, { file: { ...given, size: content.length }, content }),
    removeFile: (name) => void put.delete(name),
    fileContent(name) {
      const given = put.get(name);
      if (given !== undefined) return given.content;
      const index = indexOf(name);
      const content = new Uint8Array(file(index).size);
      fillRandom(content, 0, seed + 8, index);
      return content;
    },
  };
}
