import { deliveryFailed, type ErrorClass, MpdError } from '../../mpd/index.js';

/** SFTP status codes (draft-ietf-secsh-filexfer); servers of version 3 send 1 to 8, proftpd also later ones. */
export const STATUS = { noSuchFile: 2, permissionDenied: 3, failure: 4, unsupported: 8, exists: 11 } as const;

const KINDS: Readonly<Record<number, readonly [ErrorClass, string]>> = {
  2: ['retry', 'no such directory'],
  3: ['retry', 'no right to write there'],
  4: ['retry', 'the server reports a failure'],
  6: ['target-down', 'no connection'],
  7: ['target-down', 'the connection was lost'],
  8: ['fatal', 'the server does not know the operation'],
  12: ['target-down', 'the target is write-protected'],
  14: ['target-down', 'no space left on the target'],
  15: ['target-down', 'the disk quota of the target is used up'],
};

interface SshError extends Error {
  readonly code?: number | string;
  readonly level?: string;
}

export const statusOf = (error: unknown): number | undefined => {
  const code = (error as SshError | null)?.code;
  return typeof code === 'number' ? code : undefined;
};

/** True when the answer never came, so that what was asked may or may not have happened. */
export function isLost(error: unknown): boolean {
  return error instanceof ConnectionLost || statusOf(error) === 6 || statusOf(error) === 7;
}

/** The connection ended, or the server fell silent. */
export class ConnectionLost extends Error {}

/** Reason in words and class of an SSH or SFTP error. */
export function sftpFault(error: unknown): readonly [ErrorClass, string] {
  if (isLost(error)) return ['target-down', (error as Error).message || 'the connection was lost'];
  const status = statusOf(error);
  if (status !== undefined) {
    const [kind, reason] = KINDS[status] ?? ['retry', 'the server refused'];
    const text = (error as Error).message;
    return [kind, /^(Failure|No such file|Permission denied)$/i.test(text) ? reason : `${reason} (${text})`];
  }
  const { level, message } = error as SshError;
  if (level === 'client-authentication') return ['target-down', 'the server refused the login'];
  return ['target-down', message];
}

/** As Delivery Failed; an MpdError stays what it is. */
export function asDeliveryFailed(error: unknown, where: string): MpdError {
  if (error instanceof MpdError) return error;
  const [kind, reason] = sftpFault(error);
  return deliveryFailed(`${where}: ${reason}`, kind, error);
}
