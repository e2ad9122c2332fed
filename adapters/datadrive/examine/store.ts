import type { Examined } from '../../../src/gateway/examine.js';
import { bodiesOf, type DataDriveConfig } from '../config.js';
import { alwaysClauses } from '../query.js';
import { numberOf, textOf } from '../record.js';
import type { ByteSource } from '../source.js';
import type { Examination } from './examination.js';
import { bad, good, messageOf } from './findings.js';

export async function* examineStore(
  config: DataDriveConfig,
  bytes: ByteSource,
  signal: AbortSignal,
): AsyncGenerator<Examined> {
  const faults = await bytes.check(signal).catch((error) => [messageOf(error)]);
  if (bodiesOf(config) === 'pep') {
    const part = `data endpoint ${config.pep?.url}`;
    if (faults.length === 0) yield good(part, 'answers, and the login is taken');
    for (const fault of faults) yield bad(part, fault, 'see pep.url and login');
    return;
  }
  const at = config.s3?.endpoint ?? `AWS (${config.s3?.region})`;
  for (const bucket of config.s3?.buckets ?? []) {
    const fault = faults.find((text) => text.startsWith(`bucket ${bucket}: `));
    if (fault === undefined) yield good(`bucket ${bucket}`, `can be read at ${at}`);
    else
      yield bad(
        `bucket ${bucket}`,
        `${fault.slice(`bucket ${bucket}: `.length)} at ${at}`,
        fault.endsWith('does not exist')
          ? 'correct s3.buckets, or s3.endpoint where it is another store'
          : 'see s3.accessKeyId and secretAccessKey, s3.endpoint and s3.region, and the rights of the account',
      );
  }
}

/** Reads the beginning of the newest file of an alias. */
export async function examineSample(
  alias: string,
  { config, search, bytes }: Examination,
  signal: AbortSignal,
): Promise<Examined> {
  const { fields } = config;
  const part = `sample of ${alias}`;
  try {
    const body = {
      ...{ size: 1, track_total_hits: false, query: { bool: { filter: alwaysClauses(config) } } },
      sort: [{ [fields.updated]: { order: 'desc', unmapped_type: 'date' } }],
    };
    const [hit] = (await search.search(`/${encodeURIComponent(alias)}/_search`, body, signal)).hits.hits;
    if (!hit) return good(part, 'there is no file yet');
    const url = textOf(hit._source, fields.url) ?? '';
    const about = `${textOf(hit._source, fields.fullName) ?? textOf(hit._source, fields.id)} at ${url}`;
    const etag = textOf(hit._source, fields.etag)?.replaceAll('"', '') || null;
    const answer = await bytes.fetch(url, { offset: 0, etag, signal });
    if (answer === 'missing') return bad(part, `${about}: no such object`, `see whether ${fields.url} is its place`);
    if (answer === 'changed')
      return bad(
        part,
        `${about}: its ETag is not ${etag}`,
        `where ${fields.etag} is not the ETag of the store: s3.checkEtag: false`,
      );
    answer.stream.destroy();
    const size = numberOf(hit._source, fields.size);
    if (size !== null && answer.size !== null && size !== answer.size)
      return bad(
        part,
        `${about}: ${answer.size} bytes, the index says ${size}`,
        `see whether ${fields.size} is in bytes`,
      );
    return good(part, `${about}: can be read`);
  } catch (error) {
    return bad(part, messageOf(error), 'list its bucket under s3.buckets, or see what the lines above say');
  }
}
