import type { ParamElement } from '../../../src/formats/edds-response/index.js';
import { formatMicros } from '../../../src/formats/time.js';
import { hash32 } from './random.js';

export interface ParameterKind {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
}

export const PARAMETER_KINDS: readonly ParameterKind[] = [
  { name: 'NIXD0023', description: 'Detector temperature', unit: 'degC' },
  { name: 'NPLD0101', description: 'Main bus voltage', unit: 'V' },
  { name: 'NPLD0200', description: 'Mode of the platform', unit: 'none' },
];

export interface ParameterOptions {
  readonly seed: number;
  /** Microseconds since 1970 of sample 0. */
  readonly begin: number;
  /** Microseconds from sample to sample; the parameters take turns. */
  readonly interval: number;
}

/** An endless series of parameter samples, each computed from its index alone. */
export function parameters(options: ParameterOptions) {
  const { seed, begin, interval } = options;
  const time = (index: number): number => begin + index * interval;
  const kindOf = (index: number): ParameterKind => PARAMETER_KINDS[index % PARAMETER_KINDS.length]!;

  const sample = (index: number): ParamElement => {
    const kind = kindOf(index);
    const raw = hash32(seed + 6, index) % 4096;
    const value = kind.unit === 'none' ? (raw % 2 === 0 ? 'NOMINAL' : 'SAFE') : (raw / 100).toFixed(2);
    return {
      kind: 'param',
      fields: {
        Name: kind.name,
        TimeStampAsciiA: formatMicros(BigInt(time(index)) * 1000n),
        Unit: kind.unit,
        Description: kind.description,
        EngineeringValue: value,
        RawValue: String(raw),
        Validity: raw % 50 === 0 ? 'INVALID' : 'VALID',
      },
    };
  };

  return { time, kindOf, sample, firstFrom: (from: number) => Math.max(0, Math.ceil((from - begin) / interval)) };
}

export type Parameters = ReturnType<typeof parameters>;
