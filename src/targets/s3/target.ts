import { randomBytes } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadBucketCommand,
  ListMultipartUploadsCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { checkRelativePath, temporaryName } from '../../gateway/delivery/file-name.js';
import type { DeliveryTarget, ProbeResult, TargetConfig, TargetFactory } from '../../gateway/target.js';
import { isMpdError } from '../../mpd/index.js';
import type { Guard } from '../../net/guard.js';
import { foldersOf, locationOf } from '../account.js';
import { accountOf, clientFor } from './account.js';
import { asDeliveryFailed, isMissing, s3Fault, statusOf } from './errors.js';
import { digestObject, headObject, type Place, putObject } from './put.js';

/**
 * Objects in S3 buckets: `s3://bucket/prefix`. Endpoint and credentials come from `targets.named` (`endpoint`, `region`,
 * `pathStyle`, `accessKeyId`, `secretAccessKey`, `sessionToken`); without an endpoint it is AWS.
 */
export const createTarget: TargetFactory = async (config, { guard }) => s3Target(config, guard);

export function s3Target(config: TargetConfig, guard: Guard): DeliveryTarget {
  const clients = new Map<string, S3Client>();

  const clientOf = (uri: URL): S3Client => {
    guard.check(uri);
    const account = accountOf(uri, config);
    const key = JSON.stringify(account);
    const client = clients.get(key) ?? clientFor(account, guard);
    clients.set(key, client);
    return client;
  };
  const placeOf = (uri: URL, name: string): Place => {
    checkRelativePath(name);
    return { Bucket: uri.hostname, Key: [...foldersOf(uri), name].join('/') };
  };

  async function guarded<T>(uri: URL, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw signal.aborted ? signal.reason : asDeliveryFailed(error, `s3://${uri.host}${uri.pathname}`);
    }
  }

  return {
    schemes: ['s3'],
    capabilities: { atomicRename: true, posixRename: false, resume: false, remoteChecksum: true },
    probe: (uri, signal) => probe(uri, signal, clientOf),
    async put(uri, name, body, options) {
      const sent = await guarded(uri, options.signal, () =>
        putObject(clientOf(uri), placeOf(uri, name), body, options),
      );
      return { ...sent, location: locationOf(uri, name) };
    },
    stat: (uri, name, { checksum, signal }) =>
      guarded(uri, signal, async () => {
        const client = clientOf(uri);
        const place = placeOf(uri, name);
        const found = await headObject(client, place, signal);
        if (found === null) return null;
        const digest = checksum ? (found.checksum ?? (await digestObject(client, place, signal))) : null;
        return { bytes: found.bytes, checksum: digest, location: locationOf(uri, name) };
      }),
    /** Aborts unfinished uploads of this key: there is one sender per path, so they are of earlier epochs. */
    clean: (uri, name, _deliveryId, signal) =>
      guarded(uri, signal, async () => {
        const client = clientOf(uri);
        const { Bucket, Key } = placeOf(uri, name);
        const listed = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key }), {
          abortSignal: signal,
        });
        for (const { Key: key, UploadId } of listed.Uploads ?? [])
          if (key === Key)
            await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch((error) => {
              if (!isMissing(error)) throw error;
            });
      }),
    async check() {
      const named = Object.values(config.named).filter((target) => /^s3:/i.test(target.uri));
      const faults: string[] = [];
      for (const target of named) {
        const uri = new URL(target.uri);
        const head = async (): Promise<unknown> =>
          clientOf(uri).send(new HeadBucketCommand({ Bucket: uri.hostname }), {
            abortSignal: AbortSignal.timeout(10_000),
          });
        await head().catch((error) => faults.push(asDeliveryFailed(error, `s3://${uri.host}`).message));
      }
      if (faults.length > 0) return { ok: false, reason: faults.join('; ') };
      return { ok: true, reason: `${named.length} named S3 buckets answer` };
    },
    async close() {
      for (const client of clients.values()) client.destroy();
    },
  };
}

/** Begins an upload and aborts it: shows the right to write and leaves nothing. */
async function probe(uri: URL, abortSignal: AbortSignal, clientOf: (uri: URL) => S3Client): Promise<ProbeResult> {
  const where = `s3://${uri.host}${uri.pathname}`;
  try {
    const client = clientOf(uri);
    const Key = [...foldersOf(uri), temporaryName(`probe_${randomBytes(8).toString('hex')}`, 0)].join('/');
    const place = { Bucket: uri.hostname, Key };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(place), { abortSignal });
    await client.send(new AbortMultipartUploadCommand({ ...place, UploadId }), { abortSignal });
    return { status: 'ok' };
  } catch (error) {
    if (isMpdError(error)) return { status: 'refused', reason: error.message };
    const refused = [400, 401, 403].includes(statusOf(error) ?? 0);
    return { status: refused ? 'refused' : 'notYet', reason: `${where}: ${s3Fault(error)[1]}` };
  }
}
