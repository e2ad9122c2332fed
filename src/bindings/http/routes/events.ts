import { EVENT_TYPES, EventShape, EventsShape } from '../../../client/http/wire/index.js';
import type { EventQuery, GatewayEvent } from '../../../gateway/api.js';
import type { MpdError } from '../../../mpd/index.js';
import { asFault, HttpFault } from '../fault.js';
import { choiceParam, idParam, repeatable, textParam } from '../query/params.js';
import { type Call, type Media, type Route, stream } from '../route.js';
import { type EventWriter, startEvents } from '../send/sse.js';
import { isGap } from '../status.js';
import { API, limitParam, pageSize } from './common.js';

const EVENT_STREAM = 'text/event-stream';

const media: readonly Media[] = [
  {
    type: 'application/json',
    schema: EventsShape.schema,
    components: EventsShape.components,
    doc: 'What has happened since the cursor; ask again from the `cursor` of the answer. 410 when the cursor is older than what is kept.',
  },
  {
    type: EVENT_STREAM,
    schema: EventShape.schema,
    components: EventShape.components,
    doc: 'Server-sent events: `id` is the cursor, `event` the type, `data` the event. `event: gap` when the cursor is older than what is kept; then it goes on from now.',
  },
];

export const eventRoutes: readonly Route[] = [
  stream({
    method: 'get',
    path: `${API}/events`,
    id: 'readEvents',
    tag: 'Events',
    summary: 'What happened, in commit order: polled as JSON or followed as server-sent events',
    query: {
      cursor: textParam('Start after this event; absent = from now on. `Last-Event-ID` does the same.'),
      order: idParam('Only of this order.'),
      user: textParam('Only of orders of this user.'),
      type: repeatable(choiceParam(EVENT_TYPES, 'Only of this type; given more than once: any of them.')),
      limit: limitParam,
    },
    errors: ['Invalid', 'Unknown'],
    streams: media,
    also: {
      406: { doc: 'Neither JSON nor server-sent events are accepted.' },
      410: { doc: 'The events after the cursor are no longer kept.' },
    },
    async handle(call, { query }) {
      const wanted: EventQuery = {
        cursor: call.req.get('last-event-id') || query.cursor,
        ...(query.order === null ? {} : { orderID: query.order }),
        ...(query.user === null ? {} : { user: query.user }),
        ...(query.type.length === 0 ? {} : { types: query.type }),
      };
      const best = call.req.accepts(['application/json', EVENT_STREAM]);
      if (best === false) {
        throw new HttpFault(406, 'Invalid', {
          message: `Accept: there are application/json and ${EVENT_STREAM}`,
          field: 'Accept',
        });
      }
      if (best === EVENT_STREAM) return follow(call, wanted);
      const { events, cursor } = await call.gateway.events.read(wanted, pageSize(query.limit, call), call.principal);
      const value = { events: events.map((event) => withLinks(event, call)), cursor };
      call.res.set('Cache-Control', 'no-store').json(EventsShape.encode(value));
    },
  }),
];

/** Sends events until the client leaves, its key ends, or the gateway stops; the client resumes by the last id. */
async function follow(call: Call, query: EventQuery): Promise<void> {
  const { gateway, principal, config, res } = call;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  call.stopping.addEventListener('abort', end, { once: true });
  call.signal.addEventListener('abort', end, { once: true });
  let beating: NodeJS.Timeout | undefined;
  try {
    // Proves cursor and query before anything is sent, and gives a place to resume from before the first event.
    const start = await begin(call, query);
    call.unbounded();
    const out = await startEvents(res, { signal: call.signal, stallMs: config.limits.stallMs });
    if (call.req.method === 'HEAD') return void res.end();
    if (start.gap !== null) await sendGap(out, start.gap, start.cursor);
    else await out.position(start.cursor);
    beating = setInterval(() => void beat(call, out, end), config.limits.heartbeatMs);
    let cursor = start.cursor;
    while (!ended.signal.aborted) {
      try {
        for await (const event of gateway.events.tail({ ...query, cursor }, ended.signal, principal)) {
          const data = JSON.stringify(EventShape.encode(withLinks(event, call)));
          await out.event({ id: event.cursor, name: event.type, data });
          cursor = event.cursor;
        }
        break;
      } catch (error) {
        if (ended.signal.aborted) break;
        const fault = asFault(error);
        if (!isGap(fault)) throw error;
        cursor = await now(call, query);
        await sendGap(out, fault, cursor);
      }
    }
    call.signal.throwIfAborted();
    res.end();
  } finally {
    clearInterval(beating);
    call.stopping.removeEventListener('abort', end);
    call.signal.removeEventListener('abort', end);
  }
}

async function begin(
  call: Call,
  query: EventQuery,
): Promise<{ readonly cursor: string; readonly gap: MpdError | null }> {
  try {
    if (query.cursor === null) return { cursor: await now(call, query), gap: null };
    await call.gateway.events.read(query, 1, call.principal);
    return { cursor: query.cursor, gap: null };
  } catch (error) {
    const fault = asFault(error);
    if (!isGap(fault)) throw error;
    return { cursor: await now(call, query), gap: fault };
  }
}

const now = async ({ gateway, principal }: Call, query: EventQuery): Promise<string> =>
  (await gateway.events.read({ ...query, cursor: null }, 1, principal)).cursor;

const sendGap = (out: EventWriter, fault: MpdError, cursor: string): Promise<void> =>
  out.event({ id: cursor, name: 'gap', data: JSON.stringify({ message: fault.message }) });

async function beat(call: Call, out: EventWriter, end: () => void): Promise<void> {
  try {
    if (await call.stillAllowed()) await out.comment('alive');
    else end();
  } catch (error) {
    call.log.debug({ err: error }, 'event stream ended');
    end();
  }
}

const withLinks = (event: GatewayEvent, { links, principal }: Call): GatewayEvent =>
  event.metadata === null ? event : { ...event, metadata: links.withExternalUri(event.metadata, principal.id) };
