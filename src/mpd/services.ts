import {
  error,
  Identifier,
  Integer,
  Long,
  list,
  MalBoolean,
  MalString,
  nullable,
  progress,
  pubsub,
  raises,
  request,
  service,
  submit,
  URI,
} from '../mal/index.js';
import { Product, ProductFilter, ProductMetadata, ProductRef, StandingOrder, TimeWindow } from './types.js';

/** Services, operations and errors of MPD (area 9, version 1). */

const Invalid = error('Invalid', 1, 'A field holds an invalid value; the first one is reported.');
const DeliveryFailed = error('Delivery Failed', 2, 'A file could not be delivered to the address.');
const OrderFailed = error('Order Failed', 3, 'The order could not be created.');
const Unknown = error('Unknown', 4, 'What is referred to does not exist.');
const TooMany = error('Too Many', 5, 'Too many entries were found.');

export const MPD_ERRORS = [Invalid, DeliveryFailed, OrderFailed, Unknown, TooMany] as const;
export type MpdErrorName = (typeof MPD_ERRORS)[number]['name'];

const orderKeys = { user: Identifier, orderID: Long };

export const ProductRetrieval = service('ProductRetrieval', 1, {
  listProducts: request('listProducts', 1, {
    capabilitySet: 1,
    request: {
      productFilter: ProductFilter,
      creationDate: nullable(TimeWindow),
      contentDate: nullable(TimeWindow),
    },
    response: { metadatas: list(ProductMetadata) },
    errors: [raises(Invalid, MalString), raises(TooMany, MalString)],
    doc: 'Lists the products that pass a filter and, where given, lie in the time windows.',
  }),
  getProducts: progress('getProducts', 2, {
    capabilitySet: 2,
    progress: { productRefs: list(ProductRef) },
    acknowledgement: {},
    update: { product: Product },
    response: {},
    errors: [raises(Unknown, list(Integer))],
    doc: 'Returns each product in an update of its own.',
  }),
  deliverProductFiles: progress('deliverProductFiles', 3, {
    capabilitySet: 3,
    progress: { productRefs: list(ProductRef), deliverTo: URI },
    acknowledgement: {},
    update: { metadata: ProductMetadata, filename: MalString, success: MalBoolean },
    response: {},
    errors: [raises(Unknown, list(Integer)), raises(DeliveryFailed, MalString)],
    doc: 'Transfers the products as files and reports each with an update.',
  }),
});

export const OrderManagement = service('OrderManagement', 2, {
  listStandingOrders: request('listStandingOrders', 1, {
    capabilitySet: 1,
    request: { user: nullable(Identifier), domain: nullable(list(Identifier)) },
    response: { standingOrders: list(StandingOrder) },
    doc: 'Lists standing orders by user and domain.',
  }),
  submitStandingOrder: request('submitStandingOrder', 2, {
    capabilitySet: 2,
    request: { orderDetails: StandingOrder },
    response: { orderID: Long },
    errors: [raises(Invalid, MalString), raises(OrderFailed, MalString)],
    doc: 'Creates a standing order; the provider chooses its id.',
  }),
  cancelStandingOrder: submit('cancelStandingOrder', 3, {
    capabilitySet: 2,
    submit: { orderID: Long },
    errors: [raises(Unknown, Long)],
    doc: 'Ends a standing order.',
  }),
});

export const ProductOrderDelivery = service('ProductOrderDelivery', 3, {
  notifyProductDelivery: pubsub('notifyProductDelivery', 1, {
    capabilitySet: 1,
    keys: orderKeys,
    publishNotify: { metadata: ProductMetadata, filename: MalString, deliveredTo: URI, success: MalBoolean },
    doc: 'Tells that a file of an order was delivered, or could not be.',
  }),
  deliverProducts: pubsub('deliverProducts', 2, {
    capabilitySet: 2,
    keys: orderKeys,
    publishNotify: { product: Product },
    doc: 'Delivers new products of an order.',
  }),
});
