import { MAL_ERRORS, type MalErrorName } from './area.js';
import type { RegisteredType } from './schema/index.js';

const NUMBERS: ReadonlyMap<string, number> = new Map(MAL_ERRORS.map(({ name, number }) => [name, number]));
const NAMES: ReadonlyMap<number, MalErrorName> = new Map(MAL_ERRORS.map(({ name, number }) => [number, name]));

export interface MalErrorOptions {
  readonly extraInformation?: unknown;
  /** Type of the extra information; by default what the operation declares, else String, Long or list of Integer by its value. */
  readonly extraType?: RegisteredType | null;
  readonly cause?: unknown;
}

/**
 * An error as it travels: numbers from 65536 are MAL's, lower ones belong to the area of the operation. The extra information is
 * a value of a declared type, or null.
 */
export class MalError extends Error {
  readonly number: number;
  readonly extraInformation: unknown;
  readonly extraType: RegisteredType | null;

  constructor(number: number, message: string, options: MalErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MalError';
    this.number = number;
    this.extraInformation = options.extraInformation ?? null;
    this.extraType = options.extraType ?? null;
  }
}

/** One of MAL's own errors; the text goes along as extra information. */
export const malError = (name: MalErrorName, text: string, cause?: unknown): MalError =>
  new MalError(malErrorNumber(name), `${name}: ${text}`, { extraInformation: text, cause });

export const malErrorNumber = (name: MalErrorName): number => NUMBERS.get(name)!;

/** Name of one of MAL's own errors. */
export const malErrorName = (number: number): MalErrorName | undefined => NAMES.get(number);

export const isMalError = (error: unknown, name?: MalErrorName): error is MalError =>
  error instanceof MalError && (name === undefined || error.number === NUMBERS.get(name));

export const badEncoding = (text: string): MalError => malError('Bad Encoding', text);
