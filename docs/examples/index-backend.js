// @ts-check
/**
 * A backend of your own, whole: products that a JSON file lists. Use it as
 *
 *   backends:
 *     - { id: listed, kind: module, module: ./index-backend.js, domain: [example], index: /srv/products.json }
 *
 * products.json is a list of { key, type, file, sha256, created, updated?, start?, end?, source? }; `file` is relative to it,
 * times are ISO 8601. Whoever changes it writes the file first and then the list, under another name, and renames it.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareUtf8, invalid, MpdError, parseTime, unknown } from 'mpd-gateway/backend';

/** @typedef {import('mpd-gateway/backend').Backend} Backend */
/** @typedef {import('mpd-gateway/backend').Entry} Entry */
/** @typedef {import('mpd-gateway/backend').Change} Change */

/** @type {import('mpd-gateway/backend').BackendFactory} */
export async function createBackend(config, { log }) {
  const { id, domain, index } = config;
  if (typeof index !== 'string')
    throw invalid(`backends.${id}.index`, 'is needed: the JSON file that lists the products');
  const folder = dirname(index);

  /** @type {Map<string, Entry>} */
  let held = new Map();
  /** @type {Map<string, string>} key → file */
  let files = new Map();
  /** @type {Change[]} what happened since this process looked first; a cursor is a place in it */
  const happened = [];
  const instance = createHash('sha256').update(`${process.pid} ${Date.now()}`).digest('hex').slice(0, 12);
  let stamp = '';

  /** Reads the list when it has changed, and notes what that means. */
  async function refresh() {
    const found = await stat(index, { bigint: true }).catch(away);
    const now = `${found.mtimeNs} ${found.ino} ${found.size}`;
    if (now === stamp) return;
    const records = JSON.parse(await readFile(index, 'utf8').catch(away));
    const fresh = new Map(records.map((record) => [record.key, entryOf(record, domain)]));
    for (const [key, entry] of fresh) {
      const before = held.get(key);
      if (before === undefined) happened.push({ kind: 'new', entry });
      else if (before.revision !== entry.revision) happened.push({ kind: 'updated', entry });
      else if (JSON.stringify(before, text) !== JSON.stringify(entry, text)) happened.push({ kind: 'touched', entry });
    }
    for (const [key, entry] of held)
      if (!fresh.has(key)) happened.push({ kind: 'removed', ref: entry.metadata.productRef });
    held = fresh;
    files = new Map(records.map((record) => [record.key, join(folder, record.file)]));
    stamp = now;
  }

  /** @returns {Entry | undefined} */
  const find = (ref) => {
    const entry = held.get(ref.key);
    const isThis =
      entry?.metadata.productRef.version === ref.version && JSON.stringify(ref.domain) === JSON.stringify(domain);
    return isThis ? entry : undefined;
  };

  return {
    id,
    domains: [domain],
    capabilities: { feed: 'live', ranges: true, upstream: false, checksum: 'sha-256', folders: true },

    async productTypes() {
      await refresh();
      const names = [...new Set([...held.values()].map(({ metadata }) => metadata.productType.name))];
      return names.map((name) => ({ name, description: null, attributeDefs: null }));
    },

    async *list({ created, updated }, { order, after, signal }) {
      await refresh();
      const time = (entry) => (order === 'created' ? entry.metadata.creationDate : entry.updatedAt);
      const start = after === undefined ? null : readPosition(after);
      const sorted = [...held.values()].sort((a, b) => compare(time(a), time(b)) || compareUtf8(keyOf(a), keyOf(b)));
      for (const entry of sorted) {
        signal.throwIfAborted();
        if (start !== null && (compare(time(entry), start.time) || compareUtf8(keyOf(entry), start.key)) <= 0) continue;
        if (!within(entry.metadata.creationDate, created) || !within(entry.updatedAt, updated)) continue;
        // More than the filter asks for is fine: the core refines.
        yield { entry, position: JSON.stringify([String(time(entry)), keyOf(entry)]) };
      }
    },

    async get(refs) {
      await refresh();
      return refs.map((ref) => find(ref) ?? 'unknown');
    },

    async open(ref, { revision, offset, signal }) {
      await refresh();
      const entry = find(ref);
      const path = files.get(ref.key);
      if (entry === undefined || path === undefined)
        throw unknown([0], `there is no product ${ref.key} of that version`);
      if (revision !== null && revision !== entry.revision) throw unknown([0], `${ref.key} has other content now`);
      const { size } = await stat(path).catch(away);
      return { revision: entry.revision, size, claim: entry.claim, stream: bytes(path, entry, offset, signal) };
    },

    async follow({ cursor }, { signal }) {
      await refresh();
      const [of, place] = cursor?.split(' ') ?? [];
      // What happened before this process began, the sweep of the gateway finds.
      const from = of === instance ? Number(place) : happened.length;
      for (let waited = 0; happened.length === from && cursor !== null && waited < 20; waited++) {
        await sleep(250, undefined, { signal });
        await refresh();
      }
      return { changes: happened.slice(from), cursor: `${instance} ${happened.length}` };
    },

    async check() {
      try {
        await refresh();
        return { ok: true, reason: `${held.size} products listed in ${index}` };
      } catch (error) {
        log.debug({ err: error }, 'the list cannot be read');
        return { ok: false, reason: `${index} cannot be read: ${error.message}` };
      }
    },

    async close() {},
  };
}

/** @returns {Entry} */
function entryOf(record, domain) {
  const created = parseTime(record.created);
  const updatedAt = parseTime(record.updated ?? record.created);
  const claim = Buffer.from(record.sha256, 'hex');
  return {
    metadata: {
      productType: { name: record.type, description: null, attributeDefs: null },
      productRef: { domain, type: 'Product', key: record.key, version: Number(updatedAt / 1_000_000_000n) },
      creationDate: created,
      source: record.source ?? null,
      externalURI: null,
      contentDate: { start: parseTime(record.start ?? record.created), end: parseTime(record.end ?? record.created) },
      attributes: null,
      description: record.description ?? null,
      fileMetadata: null,
      checksum: claim,
    },
    revision: record.sha256,
    updatedAt,
    path: record.key,
    fileName: null,
    claim: { algorithm: 'sha-256', value: claim },
  };
}

/** The file's bytes; content that turns out to be another ends in an error, never quietly. */
async function* bytes(path, entry, offset, signal) {
  const hash = createHash('sha256');
  // Opened here and not before: a body that nobody begins to read leaves nothing open.
  try {
    for await (const chunk of createReadStream(path, { start: offset, signal })) {
      hash.update(chunk);
      yield chunk;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    away(error);
  }
  if (offset === 0 && hash.digest('hex') !== entry.revision) {
    throw new MpdError('Unknown', { class: 'refuse', message: `${keyOf(entry)} changed while it was read` });
  }
}

function readPosition(position) {
  try {
    const [time, key] = JSON.parse(position);
    return { time: BigInt(time), key: String(key) };
  } catch (error) {
    throw invalid('after', 'is no position of this backend', error);
  }
}

/** The file system does not give what it should: later it may. */
function away(error) {
  throw new MpdError('Internal', { class: 'retry', message: error.message, cause: error });
}

const keyOf = (entry) => entry.metadata.productRef.key;
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const within = (time, window) => window === null || (window.start <= time && time <= window.end);
const text = (_, value) => (typeof value === 'bigint' ? String(value) : value);
