import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Producer, sha256, visibleFiles } from './products.js';

export interface Verdict {
  /** Products whose content now is not at the target. */
  readonly lost: number;
  /** Ledger rows that say verified what was never whole at the target. */
  readonly falselyVerified: number;
  /** Visible files that were no whole content. */
  readonly partial: number;
  /** Files or ledger rows of something that is not a product's content. */
  readonly wrong: number;
  /** Deliveries told twice. */
  readonly duplicates: number;
  readonly details: readonly string[];
}

interface Row {
  readonly id: string;
  readonly key: string;
  readonly revision: string;
  readonly state: string;
  readonly cause: string | null;
  readonly checksum: string | null;
  readonly told: string;
}

export interface Scene {
  readonly databaseUrl: () => Promise<string | undefined>;
  readonly delivered: string;
  readonly producer: Producer;
  /** How many contents each key had had when the order was placed. */
  readonly history: ReadonlyMap<string, number>;
  /** How long the gateway may take to finish, ms. */
  readonly patience: number;
}

/** Waits until the gateway has nothing left to do, then compares folder, ledger and events with what was produced. */
export async function judge({ databaseUrl, delivered, producer, history, patience }: Scene): Promise<Verdict> {
  const wanted = new Map<string, string>();
  for (const [key, digest] of producer.current) {
    const changed = producer.contents.get(key)!.length > (history.get(key) ?? 0);
    if (digest !== null && changed) wanted.set(key, digest);
  }
  const end = Date.now() + patience;
  let rows: readonly Row[] = [];
  for (;;) {
    const read = await readLedger(await databaseUrl());
    if (read) rows = read;
    const open = rows.filter((row) => ['matched', 'queued', 'sending', 'landed', 'verified'].includes(row.state));
    const there = [...wanted].every(([key, digest]) => digestOf(delivered, key) === digest);
    if (read && open.length === 0 && there) break;
    if (Date.now() > end) break;
    await sleep(250);
  }
  const details: string[] = [];
  const count = (kind: string, found: readonly string[]): number => {
    details.push(...found.map((text) => `${kind}: ${text}`));
    return found.length;
  };
  const contentsOf = (key: string) => producer.contents.get(key) ?? [];
  return {
    lost: count(
      'lost',
      [...wanted]
        .filter(([key, digest]) => digestOf(delivered, key) !== digest)
        .map(([key]) => `${key} ${JSON.stringify(rows.filter((row) => row.key === key))}`),
    ),
    falselyVerified: count(
      'falsely verified',
      rows
        .filter(
          (row) =>
            row.state === 'notified' && (row.checksum !== row.revision || !contentsOf(row.key).includes(row.revision)),
        )
        .map((row) => `${row.key} ${row.checksum}`),
    ),
    partial: 0,
    wrong: count(
      'wrong',
      visibleFiles(delivered)
        .filter((name) => !contentsOf(name).includes(digestOf(delivered, name) ?? ''))
        .concat(
          rows
            .filter((row) => row.state === 'dead' || (row.state === 'notified' && row.told === '0'))
            .map((row) => `${row.key}: ${row.state} ${row.cause} told ${row.told}`),
        ),
    ),
    duplicates: count(
      'told twice',
      rows.filter((row) => Number(row.told) > 1).map((row) => `${row.key} ${row.told}`),
    ),
    details,
  };
}

function digestOf(folder: string, name: string): string | null {
  const file = join(folder, name);
  return existsSync(file) ? sha256(readFileSync(file)) : null;
}

async function readLedger(url: string | undefined): Promise<readonly Row[] | null> {
  if (url === undefined) return null;
  const client = new pg.Client(url);
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<Row>(`
      select d.id, d.key, d.revision, d.state, d.cause, encode(d.checksum, 'hex') as checksum,
        (select count(*) from event e where e.delivery_id = d.id and e.type = 'delivered'
          and (e.payload->>'round')::int = d.round)::text as told
      from delivery d`);
    return rows;
  } catch {
    return null;
  } finally {
    await client.end().catch(() => undefined);
  }
}
