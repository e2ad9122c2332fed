import { deliveryFailed, type ErrorClass, MpdError } from '../../mpd/index.js';

const KINDS: Readonly<Record<string, readonly [ErrorClass, string]>> = {
  ENOSPC: ['target-down', 'no space left on the target'],
  EDQUOT: ['target-down', 'the disk quota of the target is used up'],
  EROFS: ['target-down', 'the target is mounted read-only'],
  EIO: ['target-down', 'the disk of the target reports an input/output error'],
  ESTALE: ['target-down', 'the network file system of the target lost its handle'],
  ENOENT: ['retry', 'no such directory'],
  EACCES: ['retry', 'no right to write there'],
  EPERM: ['retry', 'no right to write there'],
  EMFILE: ['retry', 'too many open files in this process'],
  ENFILE: ['retry', 'too many open files on this machine'],
  EBUSY: ['retry', 'the file is in use'],
  ENAMETOOLONG: ['refuse', 'the name is too long for the file system'],
  EISDIR: ['refuse', 'a directory of that name is in the way'],
  ENOTEMPTY: ['refuse', 'a directory of that name is in the way'],
  ENOTDIR: ['refuse', 'a part of the path is not a directory'],
  ELOOP: ['refuse', 'a part of the path became a symbolic link'],
  EINVAL: ['refuse', 'the file system does not accept the name'],
  EILSEQ: ['refuse', 'the file system does not accept the name'],
};

export const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | null)?.code ?? '';

/** Reason in words and class of a file system error. */
export function fileFault(error: unknown): readonly [ErrorClass, string] {
  return KINDS[codeOf(error)] ?? ['retry', error instanceof Error ? error.message : String(error)];
}

/** As Delivery Failed; an MpdError stays what it is. */
export function asDeliveryFailed(error: unknown, path: string): MpdError {
  if (error instanceof MpdError) return error;
  const [kind, reason] = fileFault(error);
  return deliveryFailed(`${path}: ${reason}`, kind, error);
}
