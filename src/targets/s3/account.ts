import { S3Client } from '@aws-sdk/client-s3';
import type { TargetConfig } from '../../gateway/target.js';
import { deliveryFailed } from '../../mpd/index.js';
import type { Guard } from '../../net/guard.js';
import { namedTargetFor, textOf } from '../account.js';

/** Where a bucket is and who writes to it. */
export interface Account {
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly pathStyle: boolean;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** The account of the named target that a URI lies below; Delivery Failed of class `refuse` without one. */
export function accountOf(uri: URL, config: TargetConfig): Account {
  const where = `s3://${uri.host}`;
  if (uri.username !== '' || uri.password !== '')
    throw deliveryFailed(`${where}: credentials in deliverTo are not accepted; ask for a named target`);
  if (uri.search !== '' || uri.hash !== '')
    throw deliveryFailed(`${where}: the URI holds a query or fragment; write ? as %3F and # as %23`);
  const named = namedTargetFor(uri, config.named);
  const accessKeyId = textOf(named, 'accessKeyId') ?? textOf(named, 'username');
  const secretAccessKey = textOf(named, 'secretAccessKey') ?? textOf(named, 'password');
  if (!accessKeyId || !secretAccessKey)
    throw deliveryFailed(`${where}: no credentials are configured (targets.named with accessKeyId, secretAccessKey)`);
  const endpoint = textOf(named, 'endpoint');
  return {
    endpoint,
    region: textOf(named, 'region') ?? 'us-east-1',
    pathStyle: named?.pathStyle === undefined ? endpoint !== undefined : named.pathStyle === true,
    ...{ accessKeyId, secretAccessKey },
    sessionToken: textOf(named, 'sessionToken'),
  };
}

/** A client that connects to the account's endpoint and nowhere else. */
export function clientFor(account: Account, guard: Guard): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey, sessionToken } = account;
  const url = endpoint === undefined ? undefined : new URL(endpoint);
  const rule = url
    ? { scheme: url.protocol.slice(0, -1), host: url.hostname, ...(url.port !== '' && { port: Number(url.port) }) }
    : { scheme: 'https', host: '*.amazonaws.com' };
  const own = guard.allowing([rule, ...(url && !account.pathStyle ? [{ ...rule, host: `*.${url.hostname}` }] : [])]);
  return new S3Client({
    region,
    ...(endpoint !== undefined && { endpoint }),
    forcePathStyle: account.pathStyle,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
    // every write carries a SHA-256 of ours
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      httpAgent: own.agent('http'),
      httpsAgent: own.agent('https'),
      connectionTimeout: 10_000,
      requestTimeout: 60_000,
    },
  });
}
