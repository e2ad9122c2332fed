import { createHash, timingSafeEqual } from 'node:crypto';
import type { TargetConfig } from '../../gateway/target.js';
import { deliveryFailed } from '../../mpd/index.js';
import { namedTargetFor, textOf } from '../account.js';

/** Where to log in and as whom. Equal accounts share a connection. */
export interface Account {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string | undefined;
  readonly privateKey: string | undefined;
  readonly passphrase: string | undefined;
  /** SHA-256 of the one host key that is accepted. */
  readonly hostKey: Buffer;
}

/** The account for a URI: of the named target it lies below, or inline where that is allowed. Delivery Failed of class `refuse` without one. */
export function accountOf(uri: URL, config: TargetConfig): Account {
  const where = `sftp://${uri.host}`;
  const named = namedTargetFor(uri, config.named);
  if (uri.password !== '' && !config.inlineCredentials)
    throw deliveryFailed(`${where}: a password in deliverTo is not accepted here; ask for a named target`);
  const inline = config.inlineCredentials ? decodeURIComponent(uri.password) : '';
  const username = decodeURIComponent(uri.username) || textOf(named, 'username') || userOf(named?.uri);
  const password = inline || textOf(named, 'password');
  const privateKey = inline === '' ? textOf(named, 'key') : undefined;
  if (username === '' || (password === undefined && privateKey === undefined))
    throw deliveryFailed(`${where}: no credentials are configured (targets.named with username and key or password)`);
  const hostKey = parseHostKey(textOf(named, 'hostKey') ?? ruleHostKey(uri, config));
  if (hostKey === undefined)
    throw deliveryFailed(`${where}: no host key is pinned (hostKey: sha256:… of targets.named or targets.allow)`);
  const port = uri.port === '' ? 22 : Number(uri.port);
  const passphrase = textOf(named, 'passphrase');
  return { host: uri.hostname, port, username, password, privateKey, passphrase, hostKey };
}

const userOf = (uri: string | undefined): string =>
  uri === undefined ? '' : decodeURIComponent(new URL(uri).username);

function ruleHostKey(uri: URL, config: TargetConfig): string | undefined {
  const fits = (rule: TargetConfig['allow'][number]): boolean =>
    rule.scheme === 'sftp' && rule.host === uri.hostname && (rule.port ?? 22) === Number(uri.port || 22);
  const key = config.allow.find((rule) => fits(rule) && rule.hostKey !== undefined)?.hostKey;
  return typeof key === 'string' ? key : undefined;
}

/** `sha256:` and hex, or `SHA256:` and base64 as OpenSSH prints it; undefined when it is neither. */
export function parseHostKey(text: string | undefined): Buffer | undefined {
  const [, value = ''] = /^sha256:(.+)$/i.exec(text ?? '') ?? [];
  const digest = /^[0-9a-f]{64}$/i.test(value) ? Buffer.from(value, 'hex') : Buffer.from(value, 'base64');
  return digest.length === 32 ? digest : undefined;
}

/** True when the key that the server shows is the pinned one. */
export const isPinned = (account: Account, shown: Buffer): boolean =>
  timingSafeEqual(createHash('sha256').update(shown).digest(), account.hostKey);

export const accountKey = ({ host, port, username, password, privateKey, hostKey }: Account): string => {
  const secret = createHash('sha256')
    .update(JSON.stringify([password, privateKey]))
    .digest('hex');
  return JSON.stringify([host, port, username, secret, hostKey.toString('hex')]);
};
