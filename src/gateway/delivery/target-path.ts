import { type Kysely, sql } from 'kysely';
import { later } from '../../store/index.js';
import type { CoreTables } from '../schema.js';
import type { DeliveryRow, TargetPath } from './rows.js';

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'sftp:': '22', 'ftp:': '21', 'ftps:': '990' };

/** Where a file lies, however the order wrote it: one text for one file, as far as a URI tells. */
export function targetPath(uri: URL, filename: string): TargetPath {
  const port = uri.port === '' || uri.port === DEFAULT_PORTS[uri.protocol] ? '' : `:${uri.port}`;
  const folder = decoded(uri.pathname);
  // In a bucket an empty part is a part.
  const plain = uri.protocol === 's3:' ? folder.replace(/\/$/, '') : folder.replace(/\/+/g, '/').replace(/\/$/, '');
  return { target: `${uri.protocol}//${uri.hostname.toLowerCase()}${port}`, path: `${plain}/${filename}` };
}

const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
};

export interface PathClaim {
  readonly row: DeliveryRow;
  readonly path: TargetPath;
  readonly filename: string;
}

export type PathAnswer =
  /** `abandoned`: the delivery of a sender that was lost there. */
  | { readonly status: 'taken'; readonly abandoned: bigint | null }
  /** Somebody is sending there at the moment. */
  | { readonly status: 'busy' }
  /** A newer update of the product is there. */
  | { readonly status: 'superseded'; readonly reason: string }
  /** Another product is there. */
  | { readonly status: 'conflict'; readonly reason: string };

interface Answer {
  readonly id: bigint;
  readonly taken: boolean;
  readonly holder: bigint | null;
  readonly held: boolean | null;
  readonly other_key: string | null;
  readonly landed: boolean | null;
  readonly newer: boolean | null;
}

/**
 * One sender a path, and older never over newer. A row whose revision is empty marks a path where nothing has landed yet.
 * Records the attempt of every row that may go on, and the end of attempts whose worker was lost. Paths in one call differ.
 */
export async function claimPaths(
  db: Kysely<CoreTables>,
  claims: readonly PathClaim[],
  ttlMs: number,
): Promise<ReadonlyMap<bigint, PathAnswer>> {
  if (claims.length === 0) return new Map();
  const json = JSON.stringify(
    claims.map(({ row, path, filename }) => ({
      ...path,
      filename,
      id: String(row.id),
      epoch: String(row.epoch),
      round: row.round,
      domain: row.domain,
      key: row.key,
      updated_ns: String(row.updated_ns),
    })),
  );
  const { rows } = await sql<Answer>`
    with c as materialized (
      select * from jsonb_to_recordset(${json}::jsonb) as c(target text, path text, filename text, id bigint, epoch bigint,
        round integer, domain text, key text, updated_ns bigint)),
    old as materialized (
      select p.* from target_path p join c on c.target = p.target and c.path = p.path),
    taken as (
      insert into target_path as p (target, path, domain, key, revision, updated_ns, delivery_id, epoch, until)
      select target, path, domain, key, '', updated_ns, id, epoch, ${later(ttlMs)} from c order by target, path
      on conflict (target, path) do update set
        delivery_id = excluded.delivery_id, epoch = excluded.epoch, until = excluded.until,
        domain = excluded.domain, key = excluded.key,
        updated_ns = case p.revision when '' then excluded.updated_ns else p.updated_ns end
      where (p.until is null or p.until <= now() or p.delivery_id = excluded.delivery_id)
        and ((p.domain = excluded.domain and p.key = excluded.key) or (p.revision = '' and not exists (
          select from delivery x where x.id = p.delivery_id and x.state in ('queued', 'sending', 'landed'))))
        and (p.revision = '' or p.updated_ns <= excluded.updated_ns)
      returning p.target, p.path),
    named as (
      update delivery d set filename = c.filename from c where d.id = c.id and d.epoch = c.epoch
        and d.filename is distinct from c.filename),
    lost as (
      update attempt a set ended_at = now(), error_class = 'retry', error = 'the worker was lost'
      from c where a.delivery_id = c.id and a.ended_at is null and a.epoch < c.epoch),
    begun as (
      insert into attempt (delivery_id, epoch, round)
      select c.id, c.epoch, c.round from c join taken t on t.target = c.target and t.path = c.path)
    select c.id, t.target is not null as taken, old.delivery_id as holder, old.until > now() as held,
      case when old.domain <> c.domain or old.key <> c.key then old.key end as other_key,
      old.revision <> '' as landed, old.updated_ns > c.updated_ns as newer
    from c left join taken t on t.target = c.target and t.path = c.path
    left join old on old.target = c.target and old.path = c.path`.execute(db);
  return new Map(rows.map((row) => [row.id, answerOf(row)]));
}

function answerOf(row: Answer): PathAnswer {
  if (row.taken) {
    const abandoned = row.holder !== null && row.held !== null && row.holder !== row.id ? row.holder : null;
    return { status: 'taken', abandoned };
  }
  if (row.landed === true && row.other_key !== null) {
    const reason = `another product (${row.other_key}) was delivered under this name; give the order a pathTemplate that tells them apart`;
    return { status: 'conflict', reason };
  }
  if (row.landed === true && row.newer === true)
    return { status: 'superseded', reason: 'a newer update of the product is at the target already' };
  return { status: 'busy' };
}
