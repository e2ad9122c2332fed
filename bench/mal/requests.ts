import {
  createConsumer,
  createGrammar,
  createSession,
  ENCODINGS,
  maltcpClient,
  type ObjectRef,
} from '../../src/mal/index.js';
import { mpdArea, mpdRegistry, type ProductFilter, ProductRetrieval } from '../../src/mpd/index.js';
import { type JavaPeer, startPeer } from '../../test/interop/java-peer.js';
import { printTable } from '../table.js';
import type { Provider } from './providers.js';

/**
 * Requests to several providers of the same products, cell by cell in turn and back, so that what else runs on the machine falls on
 * all alike; driven over one connection by our consumer and by ESA's. Rates, the provider's processor time for each request, and
 * the rates as a ratio to the first provider's.
 */

const LISTS = [
  ['none', 0],
  ['ten', 10],
  ['thousand', 1000],
] as const;
const IN_FLIGHT = [1, 8, 32];
const GETS = [
  ['small', '10 x 1 kB'],
  ['large', '10 x 1 MiB'],
] as const;
const { listProducts, getProducts } = ProductRetrieval.operations;

interface Driver {
  /** Lists again and again; requests answered, seconds. */
  list(type: string, inFlight: number, seconds: number): Promise<{ readonly done: number; readonly seconds: number }>;
  /** Gets all products of a type again and again; milliseconds to the first update and to the end, one entry a round. */
  get(
    type: string,
    seconds: number,
  ): Promise<{ readonly firsts: readonly number[]; readonly totals: readonly number[] }>;
  stop(): Promise<void>;
}

type Start = (provider: Provider) => Promise<Driver>;

export async function requestBench(
  providers: readonly Provider[],
  seconds: number,
  consumers: readonly (keyof typeof CONSUMERS)[] = ['our consumer', "ESA's consumer"],
): Promise<void> {
  for (const who of consumers) {
    const start = CONSUMERS[who];
    console.log(`\nlistProducts by ${who}`);
    printTable(...(await lists(start, providers, seconds)));
    console.log(`\ngetProducts by ${who}`);
    printTable(...(await gets(start, providers, seconds)));
  }
}

type Table = [readonly string[], (readonly (string | number)[])[]];

/** There and back: each provider is measured twice, in the middle at the same time. */
const thereAndBack = <T>(items: readonly T[]): readonly T[] => [...items, ...[...items].reverse()];

async function lists(start: Start, providers: readonly Provider[], seconds: number): Promise<Table> {
  const [base, ...others] = providers;
  const rows: (readonly (string | number)[])[] = [];
  for (const [type, count] of LISTS) {
    for (const inFlight of IN_FLIGHT) {
      const drivers = new Map<Provider, Driver>();
      const sums = new Map(providers.map((provider) => [provider, { done: 0, seconds: 0, cpu: 0 }]));
      for (const provider of providers) {
        const driver = await start(provider);
        drivers.set(provider, driver);
        await driver.list(type, inFlight, seconds / 2);
      }
      for (const provider of thereAndBack(providers)) {
        const sum = sums.get(provider)!;
        const before = provider.cpu();
        const measured = await drivers.get(provider)!.list(type, inFlight, seconds);
        sum.done += measured.done;
        sum.seconds += measured.seconds;
        sum.cpu += provider.cpu() - before;
      }
      for (const driver of drivers.values()) await driver.stop();
      const rate = (provider: Provider): number => sums.get(provider)!.done / sums.get(provider)!.seconds;
      rows.push([
        `${count} results, ${inFlight} in flight`,
        ...providers.map(rate),
        ...others.map((provider) => rate(provider) / rate(base!)),
        ...providers.map((provider) => sums.get(provider)!.cpu / sums.get(provider)!.done),
      ]);
    }
  }
  const names = providers.map(({ name }) => name);
  return [
    [
      '',
      ...names.map((name) => `${name}, /s`),
      ...names.slice(1).map((name) => `ratio ${name}`),
      ...names.map((name) => `CPU µs ${name}`),
    ],
    rows,
  ];
}

async function gets(start: Start, providers: readonly Provider[], seconds: number): Promise<Table> {
  const rows: (readonly (string | number)[])[] = [];
  for (const [type, what] of GETS) {
    const measured = new Map(
      providers.map((provider) => [provider, { firsts: [] as number[], totals: [] as number[], cpu: 0 }]),
    );
    const drivers = new Map<Provider, Driver>();
    for (const provider of providers) {
      const driver = await start(provider);
      drivers.set(provider, driver);
      await driver.get(type, seconds / 2);
    }
    for (const provider of thereAndBack(providers)) {
      const all = measured.get(provider)!;
      const before = provider.cpu();
      const { firsts, totals } = await drivers.get(provider)!.get(type, seconds);
      all.cpu += provider.cpu() - before;
      all.firsts.push(...firsts);
      all.totals.push(...totals);
    }
    for (const driver of drivers.values()) await driver.stop();
    for (const [{ name }, { firsts, totals, cpu }] of measured) {
      const tail = (values: readonly number[]): number | string => (values.length < 20 ? '' : quantile(values, 0.99));
      rows.push([
        `${what}, ${name}`,
        ...[quantile(firsts, 0.5), tail(firsts), quantile(totals, 0.5), tail(totals)],
        ...(totals.length < 20 ? ['', ''] : [cpu / totals.length / 1000, totals.length]),
      ]);
    }
  }
  return [['', 'first update, ms', 'p99', 'all, ms', 'p99', 'CPU ms', 'rounds'], rows];
}

export const quantile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN;

async function startOurs({ root, filter }: Provider): Promise<Driver> {
  const session = createSession({
    transport: maltcpClient({ encoding: ENCODINGS['binary-fixed'] }),
    grammar: createGrammar(mpdRegistry),
  });
  const common = { session, area: mpdArea, service: ProductRetrieval };
  const retrieval = createConsumer({ ...common, uri: `${root}/ProductRetrieval` });
  const ask = (productFilter: ProductFilter) =>
    retrieval.request(listProducts, { productFilter, creationDate: null, contentDate: null });
  return {
    async list(type, inFlight, seconds) {
      const productFilter = filter(type);
      const count = LISTS.find(([name]) => name === type)![1];
      const start = performance.now();
      const end = start + seconds * 1000;
      let done = 0;
      const work = async (): Promise<void> => {
        while (performance.now() < end) {
          const { metadatas } = await ask(productFilter);
          if (metadatas.length !== count) throw new Error(`${metadatas.length} entries, not ${count}`);
          done++;
        }
      };
      await Promise.all(Array.from({ length: inFlight }, work));
      return { done, seconds: (performance.now() - start) / 1000 };
    },
    async get(type, seconds) {
      const { metadatas } = await ask(filter(type));
      const productRefs = metadatas.map(({ productRef }): ObjectRef => productRef);
      const firsts: number[] = [];
      const totals: number[] = [];
      const end = performance.now() + seconds * 1000;
      while (performance.now() < end || totals.length < 20) {
        const start = performance.now();
        let first: number | null = null;
        const { updates } = await retrieval.progress(getProducts, { productRefs });
        for await (const _ of updates) first ??= performance.now() - start;
        firsts.push(first!);
        totals.push(performance.now() - start);
      }
      return { firsts, totals };
    },
    stop: () => session.close(),
  };
}

/** One consumer a cell: with 1 000 entries and 32 in flight ESA's runs out of memory after a while. */
async function startJava({ root, words }: Provider): Promise<Driver> {
  const peer: JavaPeer = await startPeer('EsaConsumer', ['--base', `${root}/`], ['end']);
  const run = async (line: string): Promise<Readonly<Record<string, unknown>>> =>
    (await peer.command(line).catch(() => [])).find(({ event }) => event === 'result') ?? {};
  return {
    async list(type, inFlight, seconds) {
      const { rate } = await run(`bench-list ${words(type)} --in-flight ${inFlight} --seconds ${seconds}`);
      return { done: Number(rate) * seconds, seconds };
    },
    async get(type, seconds) {
      const listed = await peer.command(`list ${words(type)}`);
      const refs = listed.flatMap(({ event, metadata }) =>
        event === 'product' ? [refText((metadata as { readonly productRef: ObjectRef }).productRef)] : [],
      );
      const { first, total } = await run(`bench-get ${refs.join(' ')} --seconds ${seconds}`);
      return { firsts: [Number(first)], totals: [Number(total)] };
    },
    stop: () => peer.stop(),
  };
}

const CONSUMERS = { 'our consumer': startOurs, "ESA's consumer": startJava };

const refText = ({ domain, key, version }: ObjectRef): string => `${domain.join('.')}:${key}:${version}`;
