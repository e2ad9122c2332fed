import { MAL_ERRORS, MalError, type MalErrorName, malErrorNumber, type OperationDescriptor } from '../../mal/index.js';
import { isMpdError, MPD_ERRORS, type MpdError } from '../../mpd/index.js';

const MAL_NAMES: ReadonlySet<string> = new Set(MAL_ERRORS.map(({ name }) => name));

/** Whether a value can go where an operation declares this kind of extra information. */
const FITS: Readonly<Record<string, (value: unknown) => boolean>> = {
  attribute: (value) => typeof value === 'string' || typeof value === 'bigint',
  list: (value) => Array.isArray(value) && value.every((entry) => Number.isInteger(entry)),
};

/**
 * The error as it travels: area 9's number with the extra information that the operation declares; elsewhere the number that MAL
 * itself has for it, with the text. Null for what is no MpdError.
 *
 * | code                                   | declared by                               | number | extra information    |
 * | -------------------------------------- | ----------------------------------------- | ------ | -------------------- |
 * | Invalid                                | listProducts, submitStandingOrder         | 1      | String               |
 * | Delivery Failed                        | deliverProductFiles                       | 2      | String               |
 * | Order Failed                           | submitStandingOrder                       | 3      | String               |
 * | Unknown                                | getProducts, deliverProductFiles          | 4      | List\<Integer\>      |
 * | Unknown                                | cancelStandingOrder                       | 4      | Long                 |
 * | Too Many                               | listProducts                              | 5      | String               |
 * | Invalid, Order Failed                  | elsewhere                                 | 1, 3   | String               |
 * | all others, and these where undeclared | –                                         | 65536… | String               |
 */
export function malErrorOf(error: unknown, operation: OperationDescriptor): MalError | null {
  if (!isMpdError(error)) return null;
  const use = operation.errors.find((declared) => declared.error.name === error.code);
  if (use?.extraInformation) {
    const { extraInformation: type } = use;
    const extra = isText(type) ? error.message : error.extraInformation;
    if (FITS[type.kind]?.(extra)) return new MalError(use.error.number, error.message, { extraInformation: extra });
  }
  return plain(error);
}

const isText = (type: { readonly kind: string; readonly name?: unknown }): boolean => type.name === 'String';

function plain(error: MpdError): MalError {
  const own = MAL_NAMES.has(error.code) ? undefined : MPD_ERRORS.find(({ name }) => name === error.code);
  const text = error.code === 'Internal' ? 'internal error' : error.message;
  return new MalError(own?.number ?? malErrorNumber(error.code as MalErrorName), text, { extraInformation: text });
}
