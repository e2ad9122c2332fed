import { unsupported } from '../mpd/index.js';
import type { Gateway } from './api.js';

/** Capability sets of area 9 that are offered; see `capabilities` in gateway.yaml. */
export interface Capabilities {
  readonly listProducts: boolean;
  readonly getProducts: boolean;
  readonly deliverProductFiles: boolean;
  readonly listStandingOrders: boolean;
  readonly manageStandingOrders: boolean;
}

/** The same gateway without the capability sets that are switched off: their operations are Unsupported Operation. */
export function withCapabilities(gateway: Gateway, offered: Capabilities): Gateway {
  const { catalogue, orders, deliveries } = gateway;
  return {
    ...gateway,
    catalogue: {
      ...catalogue,
      ...(!offered.listProducts && {
        list: off('listProducts'),
        listAll: () => {
          throw unsupportedSet('listProducts');
        },
        listBounded: off('listProducts'),
        folders: off('listProducts'),
      }),
      ...(!offered.getProducts && { open: off('getProducts') }),
    },
    orders: {
      ...orders,
      ...(!offered.listStandingOrders && { list: off('listStandingOrders') }),
      ...(!offered.manageStandingOrders && {
        submit: off('submitStandingOrder'),
        cancel: off('cancelStandingOrder'),
        replay: off('submitStandingOrder'),
        backfill: off('submitStandingOrder'),
      }),
    },
    deliveries: { ...deliveries, ...(!offered.deliverProductFiles && { deliverFiles: off('deliverProductFiles') }) },
  };
}

const unsupportedSet = (operation: string) => unsupported(`${operation} is switched off on this gateway`);

const off = (operation: string) => async (): Promise<never> => {
  throw unsupportedSet(operation);
};
