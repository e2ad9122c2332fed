import { AcknowledgeShape, PullShape } from '../../../client/http/wire/index.js';
import { idParam, waitParam } from '../query/params.js';
import { answer, type Media, type Route, stream } from '../route.js';
import { API, limitParam, listed, orderID, pageSize } from './common.js';

const products: Media = { type: 'application/json', schema: PullShape.schema, components: PullShape.components };

export const pullRoutes: readonly Route[] = [
  stream({
    method: 'get',
    path: `${API}/orders/{orderID}/pull`,
    id: 'pullProducts',
    tag: 'Deliveries',
    summary: 'What a service order has available, oldest first',
    doc: 'Starts after what was acknowledged, or after `after`. With `wait` the answer comes when there is something, or empty when the time is over.',
    params: { orderID },
    query: {
      after: idParam('Position to start after.'),
      limit: limitParam,
      wait: waitParam('How long to wait when there is nothing: seconds or an ISO 8601 duration.'),
    },
    errors: ['Invalid', 'Unknown', 'Incorrect State'],
    streams: [products],
    async handle(call, { params, query }) {
      const waitMs = Math.min(query.wait ?? 0, call.config.limits.waitMs);
      if (waitMs > 0) call.unbounded();
      const ended = new AbortController();
      const stop = (): void => ended.abort(call.stopping.reason);
      const left = (): void => ended.abort(call.signal.reason);
      call.stopping.addEventListener('abort', stop, { once: true });
      call.signal.addEventListener('abort', left, { once: true });
      try {
        const pulled = await call.gateway.deliveries.pull(
          params.orderID,
          { after: query.after, limit: pageSize(query.limit, call), waitMs, signal: ended.signal },
          call.principal,
        );
        const value = pulled.map(({ position, delivery, entry }) => ({
          position,
          delivery,
          product: listed(entry, call),
        }));
        call.res.set('Cache-Control', 'no-store').json(PullShape.encode({ products: value }));
      } finally {
        call.stopping.removeEventListener('abort', stop);
        call.signal.removeEventListener('abort', left);
      }
    },
  }),
  answer({
    method: 'post',
    path: `${API}/orders/{orderID}:acknowledge`,
    id: 'acknowledgeProducts',
    tag: 'Deliveries',
    summary: 'Everything up to a position has arrived',
    params: { orderID },
    body: AcknowledgeShape,
    errors: ['Invalid', 'Unknown', 'Incorrect State'],
    answers: null,
    async handle({ gateway, principal }, { params, body }) {
      await gateway.deliveries.acknowledge(params.orderID, body.position, principal);
      return { value: null };
    },
  }),
];
