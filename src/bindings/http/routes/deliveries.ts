import {
  CompletenessShape,
  DELIVERY_STATES,
  DeliveryDetailShape,
  DeliveryPageShape,
  RedrivenShape,
  RedriveShape,
} from '../../../client/http/wire/index.js';
import { intervalParam } from '../query/interval.js';
import { choiceParam, idParam, repeatable } from '../query/params.js';
import { answer, type Route } from '../route.js';
import { API, limitParam, orderID, pageSize } from './common.js';

const tag = 'Deliveries';

export const deliveryRoutes: readonly Route[] = [
  answer({
    method: 'get',
    path: `${API}/orders/{orderID}/deliveries`,
    id: 'listDeliveries',
    tag,
    summary: 'The ledger of an order',
    params: { orderID },
    query: {
      state: repeatable(choiceParam(DELIVERY_STATES, 'State; given more than once: any of them.')),
      limit: limitParam,
      cursor: idParam('`next` of the page before.'),
    },
    errors: ['Invalid', 'Unknown'],
    answers: DeliveryPageShape,
    async handle(call, { params, query }) {
      const limit = pageSize(query.limit, call);
      const deliveries = await call.gateway.deliveries.list(
        params.orderID,
        {
          ...(query.state.length === 0 ? {} : { states: query.state }),
          ...(query.cursor === null ? {} : { after: query.cursor }),
          limit,
        },
        call.principal,
      );
      const last = deliveries.at(-1);
      return { value: { deliveries, next: deliveries.length < limit || last === undefined ? null : String(last.id) } };
    },
  }),
  answer({
    method: 'get',
    path: `${API}/deliveries/{deliveryID}`,
    id: 'getDelivery',
    tag,
    summary: 'One row of the ledger with every attempt',
    params: { deliveryID: idParam('Id of the delivery.') },
    errors: ['Unknown'],
    answers: DeliveryDetailShape,
    handle: async ({ gateway, principal }, { params }) => ({
      value: await gateway.deliveries.get(params.deliveryID, principal),
    }),
  }),
  answer({
    method: 'get',
    path: `${API}/orders/{orderID}/missing`,
    id: 'listMissing',
    tag,
    summary: 'The completeness proof: what the backend holds, less the ledger',
    params: { orderID },
    query: { created: intervalParam('Creation time.'), limit: limitParam },
    errors: ['Invalid', 'Unknown'],
    answers: CompletenessShape,
    handle: async (call, { params, query }) => ({
      value: await call.gateway.deliveries.missing(
        params.orderID,
        { created: query.created, limit: pageSize(query.limit, call), signal: call.signal },
        call.principal,
      ),
    }),
  }),
  answer({
    method: 'post',
    path: `${API}/orders/{orderID}:redrive`,
    id: 'redriveDeliveries',
    tag,
    summary: 'Put dead, withdrawn or held rows back into the queue',
    params: { orderID },
    body: RedriveShape,
    errors: ['Invalid', 'Unknown', 'Incorrect State'],
    answers: RedrivenShape,
    handle: async ({ gateway, principal }, { params, body }) => ({
      value: { redriven: await gateway.deliveries.redrive(params.orderID, body.ids, principal) },
    }),
  }),
];
