import type { Examined } from '../../../src/gateway/examine.js';
import type { FieldTable } from '../schema.js';
import { examineAliases } from './aliases.js';
import type { Examination } from './examination.js';
import { examineMiddleware, examineQueue } from './feed.js';
import { examineFields } from './fields.js';
import { examineMapping } from './mapping.js';
import { examineSample, examineStore } from './store.js';

/** Everything that the configuration names: the index and its aliases, each field, each bucket, the endpoints, and a sample of each alias. */
export async function* examine(examination: Examination, signal: AbortSignal): AsyncGenerator<Examined> {
  const { config, bytes } = examination;
  const tables = new Map<string, FieldTable>();
  const readable: string[] = [];
  yield* examineAliases(examination, tables, readable, signal);
  if (tables.size > 0) {
    yield* examineFields(config, tables);
    yield* examineMapping(examination, tables);
  }
  yield* examineStore(config, bytes, signal);
  for (const alias of readable) yield await examineSample(alias, examination, signal);
  if (config.middleware) yield await examineMiddleware(examination, config.middleware.url, signal);
  if (config.queue && examination.queue) yield await examineQueue(config.queue.url, examination.queue, signal);
}
