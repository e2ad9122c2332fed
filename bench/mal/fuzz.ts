import fc from 'fast-check';
import { body, createGrammar, ENCODINGS, isMalError, type TypeDescriptor } from '../../src/mal/index.js';
import { arbitraryOf } from '../../src/mal/schema/arbitrary.js';
import { mpdArea, mpdRegistry } from '../../src/mpd/index.js';

/**
 * Mutated and truncated messages of every MPD type in every encoding: anything but a value or Bad Encoding ends the run.
 *
 *     npx tsx bench/mal/fuzz.ts [runs] [seed]
 */

const RUNS = Number(process.argv[2] ?? 1_000_000);
const SEED = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const LARGEST_GROWTH = 512 * 1024 * 1024;

const grammar = createGrammar(mpdRegistry);
const encodings = Object.values(ENCODINGS);
const types = mpdArea.types.map((type) => body({ value: type as TypeDescriptor }));
const samples = encodings.flatMap((encoding) =>
  types.flatMap((type) =>
    fc.sample(arbitraryOf(type, { wire: true }), { numRuns: 200, seed: SEED }).map((value) => {
      const writer = encoding.createWriter();
      grammar.body(type).write(writer, value);
      return { encoding, type, bytes: Buffer.concat(writer.finish()) };
    }),
  ),
);

let state = SEED >>> 0;
const random = (below: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};

let refused = 0;
let largest = 0;
let slowest = 0;
const before = process.memoryUsage().rss;
const start = performance.now();
for (let run = 0; run < RUNS; run++) {
  const { encoding, type, bytes } = samples[random(samples.length)]!;
  let mutated = Buffer.from(bytes);
  if (random(3) === 0) mutated = mutated.subarray(0, random(mutated.length + 1));
  for (let flips = random(5); flips > 0 && mutated.length > 0; flips--)
    mutated[random(mutated.length)] = random(3) === 0 ? 0xff : random(256);
  const began = performance.now();
  try {
    grammar.body(type).read(encoding.createReader(mutated));
  } catch (error) {
    refused++;
    if (!isMalError(error, 'Bad Encoding')) {
      console.error(`run ${run}, seed ${SEED}, ${encoding.name}: ${mutated.toString('hex')}`);
      throw error;
    }
  }
  slowest = Math.max(slowest, performance.now() - began);
  if (run % 10_000 === 0) largest = Math.max(largest, process.memoryUsage().rss - before);
}
const seconds = (performance.now() - start) / 1000;
console.log(`${RUNS} messages in ${seconds.toFixed(1)} s, seed ${SEED}: ${refused} refused, the others decoded`);
console.log(`slowest ${slowest.toFixed(1)} ms, memory grew by ${(largest / 2 ** 20).toFixed(0)} MiB at most`);
if (largest > LARGEST_GROWTH) throw new Error('too much memory');
