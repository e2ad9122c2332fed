import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ProductFilter } from '../../src/mpd/index.js';
import { buildJava } from '../../test/interop/java-peer.js';

/** A provider in a process of its own. */
export interface Provider {
  readonly name: string;
  /** Scheme, host and port. */
  readonly root: string;
  /** Selects the products of one `--bulk` type, and the same as words for ESA's consumer. */
  filter(type: string): ProductFilter;
  words(type: string): string;
  /** Microseconds of processor time so far, of all its threads. */
  cpu(): number;
  /** Writes a line to it. */
  tell(line: string): void;
  /** The next line it prints. */
  line(): Promise<string>;
  stop(): Promise<void>;
}

/** What every provider holds: number of products, type, bytes of a body. */
export const BULK = ['10:ten:0', '1000:thousand:0', '10:small:1000', '10:large:1048576'];
const NOTHING_ASKED = { productType: null, domain: null, sources: null, attributeFilter: null };

/** ESA's, its products in memory. */
export async function startEsa(): Promise<Provider> {
  const port = String(await freePort());
  const bulk = BULK.flatMap((spec) => ['--bulk', spec]);
  const args = ['mpdpeer.EsaProvider', '--port', port, '--limit', '100000', '--empty', ...bulk];
  const child = spawn('java', ['-Xmx1g', '-cp', await buildJava(), ...args]);
  const provider = providerOf('ESA 12.2', child, `maltcp://127.0.0.1:${port}`);
  await provider.line();
  return provider;
}

/** Our MAL stack with handlers that keep the products in memory: what the wire costs, without a gateway. */
export const startStack = (): Promise<Provider> => startOurs('our stack', 'provider.js', BULK);

/** A whole gateway whose backend keeps the products in memory. */
export const startGateway = (bulk = BULK): Promise<Provider> => startOurs('gateway', 'gateway-process.js', bulk);

/** A whole gateway whose products are files, found by an index in PostgreSQL. */
export async function startArchive(): Promise<Provider> {
  const provider = await startOurs('gateway, archive', 'gateway-process.js', ['archive', ...BULK]);
  return {
    ...provider,
    filter: (type) => ({ ...NOTHING_ASKED, domain: ['peer', 'bulk', type] }),
    words: (type) => `--domain peer.bulk.${type}`,
  };
}

/** `MPD_BENCH_PROFILE=FOLDER`: each process of ours leaves a processor profile there. */
const folder = process.env.MPD_BENCH_PROFILE;
const PROFILE = folder === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', folder];

/** A script of this folder, as it was built. */
export async function startOurs(name: string, file: string, args: readonly string[]): Promise<Provider> {
  const path = fileURLToPath(new URL(`./${file}`, import.meta.url));
  const child = spawn(process.execPath, [...PROFILE, path, ...args]);
  const lines = providerOf(name, child, '');
  return { ...lines, root: await lines.line() };
}

function providerOf(name: string, child: ChildProcessWithoutNullStreams, root: string): Provider {
  child.stderr.pipe(process.stderr);
  const lines: string[] = [];
  let ended = false;
  let wake = (): void => {};
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    wake();
  });
  const exited = new Promise<void>((resolve) =>
    child.once('exit', () => {
      ended = true;
      wake();
      resolve();
    }),
  );
  return {
    name,
    root,
    filter: (productType) => ({ ...NOTHING_ASKED, productType }),
    words: (type) => `--type ${type}`,
    cpu: () => cpuOf(child.pid!),
    tell: (line) => child.stdin.write(`${line}\n`),
    async line() {
      while (lines.length === 0 && !ended) await new Promise<void>((resolve) => (wake = resolve));
      if (lines.length === 0) throw new Error(`${name} ended`);
      return lines.shift()!;
    },
    async stop() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Linux counts in hundredths of a second. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
