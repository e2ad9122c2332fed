import type { Gateway, Principal } from '../../gateway/api.js';
import type { Handlers } from '../../mal/index.js';
import { isMpdError, MpdError, type OrderManagement, type StandingOrder, unknown } from '../../mpd/index.js';
import type { MalBindingConfig } from './config.js';
import { askedFilter } from './filters.js';
import type { MalCaller } from './principals.js';

/** States in which an order is there for a MAL consumer. */
const STANDING: ReadonlySet<string> = new Set(['active', 'paused', 'suspended']);

/** OrderManagement (area 9, service 2) on the gateway. */
export function orderHandlers(
  { orders }: Pick<Gateway, 'orders'>,
  { capabilities, namedFilters }: Pick<MalBindingConfig, 'capabilities' | 'namedFilters'>,
): Handlers<typeof OrderManagement, MalCaller> {
  return {
    listStandingOrders: capabilities.listStandingOrders
      ? async ({ user, domain }, { principal: { principal } }) => {
          const ours = await orders.list({ user, domain }, principal);
          return {
            standingOrders: [...ours.map(({ order }) => order), ...orders.foreign({ user, domain }, principal)],
          };
        }
      : undefined,

    submitStandingOrder: capabilities.manageStandingOrders
      ? async ({ orderDetails }, { principal: caller }) => {
          checkUser(orderDetails, caller);
          const { user, validityPeriod, deliveryMethod, deliverTo, comments } = orderDetails;
          const { filter, named } = askedFilter(orderDetails.productFilter, namedFilters);
          const { orderID } = await orders.submit(
            {
              user,
              productFilter: filter,
              ...(named !== null && { tree: named }),
              validityPeriod,
              deliveryMethod,
              deliverTo,
              comments,
              acceptUnreachable: true,
            },
            caller.principal,
          );
          return { orderID };
        }
      : undefined,

    cancelStandingOrder: capabilities.manageStandingOrders
      ? async ({ orderID }, { principal: { principal } }) => {
          await findStanding(orders, orderID, principal);
          await orders.cancel(orderID, principal);
        }
      : undefined,
  };
}

/** An order that was cancelled or is over is no longer one to a MAL consumer: its list does not have it either. */
async function findStanding(orders: Gateway['orders'], orderID: bigint, principal: Principal): Promise<void> {
  const gone = unknown(orderID, `there is no order ${orderID}`);
  try {
    const { kind, state } = await orders.get(orderID, principal);
    if (kind !== 'standing' || !STANDING.has(state)) throw gone;
  } catch (error) {
    throw isMpdError(error, 'Unknown') ? gone : error;
  }
}

function checkUser({ user }: StandingOrder, { principal, mustEqual }: MalCaller): void {
  if (!mustEqual || user === principal.id) return;
  const message = `orderDetails.user: ${user} is not ${principal.id}, who calls from here`;
  throw new MpdError('Authorisation Fail', { class: 'refuse', message, extraInformation: message });
}
