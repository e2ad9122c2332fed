import { MpdError } from '../../mpd/index.js';
import type { EventItem, EventOptions } from './client.js';
import { linesOf, serverEvents } from './lines.js';
import { mayHelp, pause } from './retry.js';
import { chunksOf, type Transport } from './transport.js';
import { EventShape } from './wire/index.js';

/** Follows events; a lost or silent connection is opened again from the last cursor, without end. Ends with the signal. */
export async function* followEvents(transport: Transport, options: EventOptions): AsyncGenerator<EventItem> {
  const { signal } = options;
  let cursor = options.cursor ?? null;
  for (let attempt = 0; !signal?.aborted; attempt++) {
    try {
      const { stream } = await transport.send({
        method: 'GET',
        path: `/api/v1/events${queryOf(options)}`,
        signal,
        headers: { Accept: 'text/event-stream', ...(cursor === null ? {} : { 'Last-Event-ID': cursor }) },
      });
      try {
        for await (const { id, event, data } of serverEvents(linesOf(chunksOf(stream, transport.base, signal)))) {
          attempt = 0;
          if (id !== null) cursor = id;
          if (data === '') continue;
          if (event === 'gap')
            yield { kind: 'gap', message: (JSON.parse(data) as { readonly message: string }).message };
          else yield { kind: 'event', event: EventShape.decode(JSON.parse(data)) };
        }
      } finally {
        stream.destroy();
      }
      throw new MpdError('Destination Lost', { class: 'retry', message: 'the event stream ended' });
    } catch (error) {
      if (signal?.aborted) return;
      if (!mayHelp(error, true)) throw error;
      await pause(attempt, error, signal).catch((reason: unknown) => {
        if (!signal?.aborted) throw reason;
      });
    }
  }
}

function queryOf({ orderID, user, types }: EventOptions): string {
  const query = new URLSearchParams();
  if (orderID !== undefined) query.set('order', String(orderID));
  if (user !== undefined) query.set('user', user);
  for (const type of types ?? []) query.append('type', type);
  return query.size === 0 ? '' : `?${query}`;
}
