import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from './random.js';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Writes, replaces and removes product files as a backend's producers do, and remembers every content. */
export interface Producer {
  step(): void;
  /** Every content a key ever had, oldest first. */
  readonly contents: ReadonlyMap<string, readonly string[]>;
  /** The content each key has now; null = removed. */
  readonly current: ReadonlyMap<string, string | null>;
}

export function createProducer(folder: string, random: Random): Producer {
  mkdirSync(folder, { recursive: true });
  const contents = new Map<string, string[]>();
  const current = new Map<string, string | null>();
  let counter = 0;
  const write = (key: string) => {
    const size = random.next() < 0.03 ? random.between(1_000_000, 3_000_000) : random.between(0, 60_000);
    const bytes = Buffer.concat([Buffer.from(`${key} ${counter}\n`), Buffer.alloc(size, counter & 255)]);
    const temporary = join(folder, `${key}.tmp`);
    writeFileSync(temporary, bytes);
    renameSync(temporary, join(folder, key));
    const digest = sha256(bytes);
    contents.set(key, [...(contents.get(key) ?? []), digest]);
    current.set(key, digest);
  };
  return {
    contents,
    current,
    step() {
      counter += 1;
      const known = [...current.keys()];
      const choice = random.next();
      if (known.length < 5 || choice < 0.55) return write(`p${String(counter).padStart(6, '0')}.bin`);
      const key = random.pick(known);
      if (choice < 0.95) return write(key);
      rmSync(join(folder, key), { force: true });
      current.set(key, null);
    },
  };
}

/** Looks at the delivery folder again and again: whatever is visible must be a whole content its product once had. */
export interface Watcher {
  stop(): { readonly partial: readonly string[] };
}

export function watchFolder(folder: string, producer: Producer): Watcher {
  const seen = new Map<string, string>();
  const partial: string[] = [];
  const look = () => {
    for (const name of visibleFiles(folder)) {
      const { mtimeNs, size, ino } = statSync(join(folder, name), { bigint: true });
      const stamp = `${ino} ${mtimeNs} ${size}`;
      if (seen.get(name) === stamp) continue;
      seen.set(name, stamp);
      const digest = sha256(readFileSync(join(folder, name)));
      if (!producer.contents.get(name)?.includes(digest)) partial.push(`${name}: ${size} bytes, SHA-256 ${digest}`);
    }
  };
  const timer = setInterval(look, 15);
  return {
    stop() {
      clearInterval(timer);
      look();
      return { partial };
    },
  };
}

/** What a consumer sees: everything but hidden names. */
export const visibleFiles = (folder: string): readonly string[] =>
  readdirSync(folder).filter((name) => !name.startsWith('.'));
