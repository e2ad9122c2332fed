import { describe } from 'vitest';
import type { ServiceName } from './catalogue.js';
import { service } from './service.js';
import type { Service } from './state.js';

/**
 * A group of tests on one or several real servers, titled with their names. A server that cannot be had skips the group with
 * the reason in its title and on standard error; with `CI=true` it is a failure instead, so that CI never passes by skipping.
 * Call at the top level of a test file with `await`.
 */
export async function describeWithService<const Names extends readonly ServiceName[]>(
  names: Names | Names[number],
  title: string,
  body: (...services: { readonly [Index in keyof Names]: Service }) => void,
): Promise<void> {
  const list = (typeof names === 'string' ? [names] : names) as readonly ServiceName[];
  const where = `${title} [${list.join(', ')}]`;
  try {
    const services = await Promise.all(list.map((name) => service(name)));
    describe(where, () => body(...(services as unknown as { readonly [Index in keyof Names]: Service })));
  } catch (error) {
    if (process.env.CI) throw error;
    const reason = (error as Error).message.split('\n')[0];
    process.stderr.write(`\nSKIPPED: ${where}: ${reason}\n`);
    describe.skip(`${where}: skipped, ${reason}`, () => body(...(list.map(unavailable) as never)));
  }
}

const unavailable = (name: ServiceName): Service => ({ name, url: 'http://127.0.0.1:9' });
