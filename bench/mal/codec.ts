import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { encodedMetadata } from '../../src/bindings/mal/reuse.js';
import { body, type Codec, createGrammar, ENCODINGS, type Encoding, list } from '../../src/mal/index.js';
import { mpdRegistry, ProductMetadata } from '../../src/mpd/index.js';
import { buildJava, javaMissing } from '../../test/interop/java-peer.js';
import { printTable } from '../table.js';
import { metadataOf } from './products.js';

const run = promisify(execFile);
const JAVA = fileURLToPath(new URL('./Codec.java', import.meta.url));
const ENTRIES = 1000;
const SECONDS = 1;
const LIST = body({ metadatas: list(ProductMetadata) });
type Value = { readonly metadatas: readonly ProductMetadata[] };

/** Lists of metadata to bytes and back by ESA's stack and ours, in processor time of the one thread, which both read the same bytes. */
export async function codecBench(): Promise<void> {
  const missing = await javaMissing();
  if (missing !== null) console.log(`without ESA's stack: ${missing}`);
  const folder = await mkdtemp(join(tmpdir(), 'mpd-gateway-codec-'));
  const rows: (readonly (string | number)[])[] = [];
  try {
    for (const rich of [false, true]) {
      for (const encoding of Object.values(ENCODINGS)) {
        const ours = measure(encoding, rich);
        const file = join(folder, encoding.name);
        await writeFile(file, ours.bytes);
        const theirs = missing === null ? await esa(encoding, file) : null;
        const label = `${encoding.name}, ${rich ? 'eight attributes' : 'no attributes'}, ${Math.round(ours.bytes.length / ENTRIES)} bytes`;
        rows.push([label, theirs?.encode ?? '', ours.encode, ours.again, theirs?.decode ?? '', ours.decode]);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  printTable(['entries/s', 'ESA encode', 'ours encode', 'ours, encoded before', 'ESA decode', 'ours decode'], rows);
}

function measure(encoding: Encoding, rich: boolean) {
  const value: Value = { metadatas: metadataOf(ENTRIES, rich) };
  const fresh = createGrammar(mpdRegistry).body(LIST);
  const known = createGrammar(mpdRegistry, { reuse: [encodedMetadata()] }).body(LIST);
  const write = (codec: Codec<Value>): Uint8Array[] => {
    const writer = encoding.createWriter();
    codec.write(writer, value);
    return writer.finish();
  };
  const bytes = Buffer.concat(write(fresh));
  return {
    bytes,
    encode: rate(() => write(fresh)),
    again: rate(() => write(known)),
    decode: rate(() => fresh.read(encoding.createReader(bytes))),
  };
}

/** Entries a second of processor time. */
function rate(work: () => unknown): number {
  let value = 0;
  for (const seconds of [SECONDS / 2, SECONDS]) {
    const before = process.cpuUsage();
    const end = performance.now() + seconds * 1000;
    let rounds = 0;
    for (; performance.now() < end; rounds++) work();
    const { user, system } = process.cpuUsage(before);
    value = (rounds * ENTRIES * 1e6) / (user + system);
  }
  return value;
}

async function esa(encoding: Encoding, file: string): Promise<{ readonly encode: number; readonly decode: number }> {
  const args = ['-cp', await buildJava(), JAVA, encoding.name, file, String(SECONDS)];
  const { stdout } = await run('java', args);
  const [encode, decode] = stdout.trim().split(' ').map(Number);
  return { encode: 1e9 / encode!, decode: 1e9 / decode! };
}
