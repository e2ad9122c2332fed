import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { parseFileName, readResponse } from '../../../src/formats/edds-response/index.js';
import { decodeRecord } from '../../../src/formats/scos2000/index.js';
import type { SimulatorState } from './simulator.js';

export interface Verdict {
  /** Packets of the stream that are in no delivered file. */
  readonly lost: number;
  /** Packets that are in two delivered files of one order, or twice in one. */
  readonly doubled: number;
  /** Files that are not whole, or not what the ledger says. */
  readonly wrong: number;
  /** Deliveries that ended otherwise than verified and told once. */
  readonly unsettled: number;
  /** Requests at EDDS that have the name of another, or that the gateway does not know of. */
  readonly submittedTwice: number;
  /** How much there was to judge: packets delivered, requests made at EDDS. */
  readonly packets: number;
  readonly requests: number;
  readonly details: readonly string[];
}

export interface Scene {
  readonly databaseUrl: string;
  /** A folder for each order. */
  readonly delivered: string;
  /** Folder of the order that ran all the time. */
  readonly main: string;
  readonly simulator: SimulatorState;
  /** Filing times of packets that the main order must have, ns: from its first delivered part to here. */
  readonly until: bigint;
}

interface Packet {
  readonly ssc: number;
  readonly filing: bigint;
  readonly file: string;
}

/** Compares what lies in the folders with the ledger and with what EDDS was asked for. */
export async function judge(scene: Scene): Promise<Verdict> {
  const { delivered, simulator } = scene;
  const details: string[] = [];
  const count = (kind: string, found: readonly string[]): number => {
    details.push(...found.map((text) => `${kind}: ${text}`));
    return found.length;
  };
  const wrong: string[] = [];
  const doubled: string[] = [];
  let lost: string[] = [];
  let total = 0;
  const client = new pg.Client(scene.databaseUrl);
  await client.connect();
  try {
    const { rows } = await client.query<{
      key: string;
      location: string | null;
      state: string;
      checksum: string;
      told: string;
    }>(`
      select d.key, d.location, d.state, encode(d.checksum, 'hex') as checksum,
        (select count(*) from event e where e.delivery_id = d.id and e.type = 'delivered')::text as told
      from delivery d join standing_order o on o.id = d.order_id where o.state = 'active'`);
    for (const folder of readdirSync(delivered)) {
      const packets: Packet[] = [];
      for (const file of readdirSync(join(delivered, folder)).filter((name) => !name.startsWith('.'))) {
        if (parseFileName(file) === null) wrong.push(`${folder}/${file} is no name of EDDS`);
        packets.push(...(await packetsOf(join(delivered, folder, file), file, wrong)));
      }
      total += packets.length;
      doubled.push(...twice(packets).map((text) => `${folder}: ${text}`));
      if (folder === scene.main) lost = gaps(packets, scene.until);
    }
    for (const { location, checksum, key } of rows) {
      if (location === null) continue;
      const path = new URL(location).pathname;
      const digest = existsSync(decodeURIComponent(path)) ? sha256(readFileSync(decodeURIComponent(path))) : 'absent';
      if (digest !== checksum) wrong.push(`${key}: the ledger says ${checksum}, the file is ${digest}`);
    }
    const unsettled = rows.filter(({ state, told }) => state !== 'notified' || told !== '1');
    const known = new Set(
      (
        await client.query<{ id: string }>('select request_id as id from edds_job where request_id is not null')
      ).rows.map(({ id }) => id),
    );
    const names = new Map<string, number>();
    for (const { name } of simulator.jobs) names.set(name ?? '', (names.get(name ?? '') ?? 0) + 1);
    return {
      lost: count('lost', lost),
      doubled: count('doubled', doubled),
      wrong: count('wrong', wrong),
      unsettled: count(
        'unsettled',
        unsettled.map(({ key, state, told }) => `${key}: ${state}, told ${told} times`),
      ),
      submittedTwice: count('submitted twice', [
        ...[...names].filter(([, times]) => times > 1).map(([name, times]) => `${name}: ${times} times`),
        ...simulator.jobs.filter(({ id }) => !known.has(id)).map(({ id, state }) => `${id} (${state}) is nobody's`),
      ]),
      packets: total,
      requests: simulator.jobs.length,
      details,
    };
  } finally {
    await client.end();
  }
}

async function packetsOf(path: string, file: string, wrong: string[]): Promise<Packet[]> {
  const packets: Packet[] = [];
  const onProblem = ({ reason }: { readonly reason: string }) => wrong.push(`${file}: ${reason}`);
  for await (const element of readResponse([readFileSync(path)], { onProblem })) {
    if (element.kind !== 'raw') continue;
    const { header } = decodeRecord(element.bytes);
    packets.push({ ssc: header.ssc, filing: header.filingTime, file });
  }
  if (packets.length === 0) wrong.push(`${file} holds no packet`);
  return packets;
}

function twice(packets: readonly Packet[]): string[] {
  const seen = new Map<bigint, string>();
  return packets.flatMap(({ filing, ssc, file }) => {
    const before = seen.get(filing);
    seen.set(filing, file);
    return before === undefined ? [] : [`packet ${ssc} is in ${before} and in ${file}`];
  });
}

/** Counts that are missing between the first packet and the last that must be there. */
function gaps(packets: readonly Packet[], until: bigint): string[] {
  const sorted = [...packets].sort((a, b) => (a.filing < b.filing ? -1 : 1));
  const missing: string[] = [];
  sorted.forEach(({ ssc, file }, index) => {
    const before = sorted[index - 1];
    if (before === undefined || before.filing === sorted[index]!.filing) return;
    const skipped = (ssc - before.ssc - 1 + 16_384) % 16_384;
    for (let n = 0; n < skipped; n++) missing.push(`packet ${(before.ssc + 1 + n) % 16_384}, before ${file}`);
  });
  const last = sorted.at(-1)?.filing ?? 0n;
  if (last < until) missing.push(`everything after ${last}, up to ${until}`);
  return missing;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
