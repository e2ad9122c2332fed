import { MAL_ERRORS, MalError, type MalErrorName, malErrorName, malErrorNumber } from '../mal/index.js';
import { type ErrorClass, MpdError, type MpdErrorCode } from './errors.js';
import { MPD_ERRORS, type MpdErrorName } from './services.js';

/** MPD errors as MAL carries them, and back. A name that MPD and MAL share is MPD's own: it is what an MPD operation means. */

const MPD_NUMBERS: ReadonlyMap<string, number> = new Map(MPD_ERRORS.map(({ name, number }) => [name, number]));
const MPD_NAMES: ReadonlyMap<number, MpdErrorName> = new Map(MPD_ERRORS.map(({ name, number }) => [number, name]));
const MAL_NAMES: ReadonlySet<string> = new Set(MAL_ERRORS.map(({ name }) => name));

export function toMalError(error: MpdError): MalError {
  const number =
    MPD_NUMBERS.get(error.code) ??
    malErrorNumber(MAL_NAMES.has(error.code) ? (error.code as MalErrorName) : 'Internal');
  return new MalError(number, error.message, { extraInformation: error.extraInformation, cause: error });
}

/** What can be done about MAL's own errors; the others are refusals. */
const CLASSES: Partial<Readonly<Record<MalErrorName, ErrorClass>>> = {
  'Delivery Failed': 'retry',
  'Delivery Timedout': 'retry',
  'Delivery Delayed': 'retry',
  'Destination Unknown': 'target-down',
  'Destination Transient': 'retry',
  'Destination Lost': 'retry',
  Internal: 'retry',
  'Too Many': 'retry',
  Shutdown: 'retry',
  'Transaction Timeout': 'retry',
};

/** An error that a remote provider, or the way to it, answered with. */
export function fromMalError(error: MalError): MpdError {
  const malName = malErrorName(error.number);
  const code: MpdErrorCode = MPD_NAMES.get(error.number) ?? malName ?? 'Internal';
  const extra = error.extraInformation;
  const field = code === 'Invalid' ? /^([\w.[\]]+): /.exec(String(extra))?.[1] : undefined;
  return new MpdError(code, {
    class: malName === undefined ? 'refuse' : (CLASSES[malName] ?? 'refuse'),
    message: typeof extra === 'string' && extra !== '' ? extra : error.message,
    extraInformation: extra,
    ...(field === undefined ? {} : { field }),
    cause: error,
  });
}
