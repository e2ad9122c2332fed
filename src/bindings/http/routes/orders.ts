import {
  BackfillShape,
  JobShape,
  ORDER_STATES,
  OrderDetailShape,
  OrderInfoShape,
  OrderPageShape,
  OrderRequestShape,
  PauseShape,
  SubmittedShape,
  UpstreamListShape,
} from '../../../client/http/wire/index.js';
import { choiceParam, domainParam, idParam, repeatable, textParam } from '../query/params.js';
import { answer, type Route } from '../route.js';
import { API, limitParam, orderID, pageSize } from './common.js';

const ORDERS = `${API}/orders`;
const tag = 'Orders';

export const orderRoutes: readonly Route[] = [
  answer({
    method: 'post',
    path: ORDERS,
    id: 'submitStandingOrder',
    tag,
    summary: 'Submit a standing order',
    doc: 'The target is tested first: refused = Order Failed; not reachable yet = Order Failed unless `acceptUnreachable`.',
    body: OrderRequestShape,
    errors: ['Invalid', 'Order Failed', 'Authorisation Fail', 'Bad Encoding'],
    status: 201,
    answers: SubmittedShape,
    async handle({ gateway, principal }, { body }) {
      const value = await gateway.orders.submit(body, principal);
      return { value, headers: { Location: `${ORDERS}/${value.orderID}` } };
    },
  }),
  answer({
    method: 'get',
    path: ORDERS,
    id: 'listStandingOrders',
    tag,
    summary: 'List orders',
    query: {
      user: textParam('Owner; absent or `*` = all that you may see.', 'partner-a'),
      domain: domainParam,
      state: repeatable(choiceParam(ORDER_STATES, 'State; given more than once: any of them.')),
      limit: limitParam,
      cursor: idParam('`next` of the page before.'),
    },
    errors: ['Invalid'],
    answers: OrderPageShape,
    async handle(call, { query }) {
      const limit = pageSize(query.limit, call);
      const orders = await call.gateway.orders.list(
        {
          user: query.user,
          domain: query.domain,
          ...(query.state.length === 0 ? {} : { states: query.state }),
          ...(query.cursor === null ? {} : { after: query.cursor }),
          limit,
        },
        call.principal,
      );
      const last = orders.at(-1)?.order.orderID ?? null;
      return { value: { orders, next: orders.length < limit || last === null ? null : String(last) } };
    },
  }),
  answer({
    method: 'get',
    path: `${ORDERS}/{orderID}`,
    id: 'getOrder',
    tag,
    summary: 'One order with its history and its deliveries counted',
    params: { orderID },
    errors: ['Unknown'],
    answers: OrderDetailShape,
    handle: async ({ gateway, principal }, { params }) => ({
      value: await gateway.orders.get(params.orderID, principal),
    }),
  }),
  ...(['delete', 'post'] as const).map((method) =>
    answer({
      method,
      path: method === 'delete' ? `${ORDERS}/{orderID}` : `${ORDERS}/{orderID}:cancel`,
      id: method === 'delete' ? 'deleteOrder' : 'cancelStandingOrder',
      tag,
      summary: 'Cancel an order',
      params: { orderID },
      errors: ['Unknown', 'Incorrect State'],
      answers: null,
      async handle({ gateway, principal }, { params }) {
        await gateway.orders.cancel(params.orderID, principal);
        return { value: null };
      },
    }),
  ),
  answer({
    method: 'post',
    path: `${ORDERS}/{orderID}:pause`,
    id: 'pauseOrder',
    tag,
    summary: 'Pause an order',
    params: { orderID },
    body: PauseShape,
    errors: ['Unknown', 'Incorrect State'],
    answers: OrderInfoShape,
    handle: async ({ gateway, principal }, { params, body }) => ({
      value: await gateway.orders.pause(params.orderID, body.policy ?? null, principal),
    }),
  }),
  answer({
    method: 'post',
    path: `${ORDERS}/{orderID}:resume`,
    id: 'resumeOrder',
    tag,
    summary: 'Resume a paused order',
    params: { orderID },
    errors: ['Unknown', 'Incorrect State'],
    answers: OrderInfoShape,
    handle: async ({ gateway, principal }, { params }) => ({
      value: await gateway.orders.resume(params.orderID, principal),
    }),
  }),
  ...(['replay', 'backfill'] as const).map((action) =>
    answer({
      method: 'post',
      path: `${ORDERS}/{orderID}:${action}`,
      id: `${action}Order`,
      tag,
      summary:
        action === 'replay'
          ? 'Deliver again what was delivered in a window'
          : 'Deliver what matches in a window and was never matched',
      params: { orderID },
      body: BackfillShape,
      status: 202,
      errors: ['Invalid', 'Unknown', 'Incorrect State'],
      answers: JobShape,
      handle: async ({ gateway, principal }, { params, body }) => ({
        value: await gateway.orders[action](params.orderID, body, principal),
      }),
    }),
  ),
  answer({
    method: 'get',
    path: `${API}/upstream`,
    id: 'listUpstream',
    tag,
    summary: 'Jobs and orders of backends that work on demand, also those of others',
    access: 'operator',
    errors: ['Authorisation Fail'],
    answers: UpstreamListShape,
    handle: async ({ gateway, principal }) => ({ value: { upstream: await gateway.orders.upstream(principal) } }),
  }),
];
