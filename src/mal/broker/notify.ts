import { Identifier, UpdateHeader } from '../area.js';
import type { Encoding } from '../encoding/encoding.js';
import type { Grammar } from '../encoding/grammar.js';
import type { PubSubOperation } from '../schema/index.js';
import type { Attribute } from '../types/index.js';
import type { UpdateInfo } from './broker.js';

/** A body of which only the subscription id differs between subscriptions: the flags before it, all that follows it. */
interface Template {
  /** Bit field of an encoding that keeps flags apart. */
  readonly flags: readonly Uint8Array[];
  readonly rest: readonly Uint8Array[];
}

/**
 * Bodies of one update, encoded once for each encoding and selection of keys: subscription id ({@link idBytes}),
 * UpdateHeader, the operation's fields.
 */
export function notifyBodies(
  grammar: Grammar,
  operation: PubSubOperation,
  info: UpdateInfo,
  keys: readonly (Attribute | null)[],
  update: unknown,
): (encoding: Encoding, selected: readonly number[] | null, id: readonly Uint8Array[]) => Uint8Array[] {
  const templates = new Map<string, Template>();

  function create(encoding: Encoding, selected: readonly number[] | null): Template {
    const writer = encoding.createWriter();
    const places = selected ?? keys.map((_, i) => i);
    grammar.codec(UpdateHeader).write(writer, {
      source: info.source,
      domain: info.domain,
      keyValues: places.map((at) => ({ value: keys[at] ?? null })),
    });
    grammar.body(operation.publishNotify).write(writer, update);
    const pieces = writer.finish();
    return encoding.flagsApart ? { flags: pieces.slice(0, 2), rest: pieces.slice(2) } : { flags: [], rest: pieces };
  }

  return (encoding, selected, id) => {
    const name = selected === null ? encoding.name : `${encoding.name} ${selected.join()}`;
    let template = templates.get(name);
    if (template === undefined) {
      template = create(encoding, selected);
      templates.set(name, template);
    }
    return [...template.flags, ...id, ...template.rest];
  };
}

/** The subscription id as it stands in every body. */
export function idBytes(grammar: Grammar, encoding: Encoding, subscriptionId: string): Uint8Array[] {
  const writer = encoding.createWriter();
  grammar.codec(Identifier).write(writer, subscriptionId);
  const pieces = writer.finish();
  return encoding.flagsApart ? pieces.slice(2) : pieces;
}
