import { MalError, MalString, type OperationDescriptor } from '../../mal/index.js';
import { isMpdError, toMalError } from '../../mpd/index.js';

/** Whether a value can go where an operation declares this kind of extra information. */
const FITS: Readonly<Record<string, (value: unknown) => boolean>> = {
  attribute: (value) => typeof value === 'string' || typeof value === 'bigint',
  list: (value) => Array.isArray(value) && value.every((entry) => Number.isInteger(entry)),
};

/**
 * The error as it travels, with the extra information that the operation declares for it and the text everywhere else. Null for
 * what is no MpdError.
 *
 * | code            | declared by                       | number | extra information |
 * | --------------- | --------------------------------- | ------ | ----------------- |
 * | Invalid         | listProducts, submitStandingOrder | 1      | String            |
 * | Delivery Failed | deliverProductFiles               | 2      | String            |
 * | Order Failed    | submitStandingOrder               | 3      | String            |
 * | Unknown         | getProducts, deliverProductFiles  | 4      | List\<Integer\>   |
 * | Unknown         | cancelStandingOrder               | 4      | Long              |
 * | Too Many        | listProducts                      | 5      | String            |
 * | all others      | –                                 | 65536… | String            |
 */
export function malErrorOf(error: unknown, operation: OperationDescriptor): MalError | null {
  if (!isMpdError(error)) return null;
  const { number } = toMalError(error);
  const text = error.code === 'Internal' ? 'internal error' : error.message;
  const type = operation.errors.find((use) => use.error.number === number)?.extraInformation;
  const extra = type == null || isText(type) ? text : error.extraInformation;
  if (type != null && FITS[type.kind]?.(extra)) return new MalError(number, text, { extraInformation: extra });
  return new MalError(number, text, { extraInformation: text, extraType: MalString });
}

const isText = (type: { readonly kind: string; readonly name?: unknown }): boolean => type.name === 'String';
