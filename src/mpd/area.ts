import { area, createRegistry, malArea } from '../mal/index.js';
import { MPD_ERRORS, OrderManagement, ProductOrderDelivery, ProductRetrieval } from './services.js';
import {
  AttributeDef,
  AttributeFilter,
  DeliveryMethodEnum,
  FileMetadata,
  Product,
  ProductFilter,
  ProductMetadata,
  ProductType,
  StandingOrder,
  StringPattern,
  TimeWindow,
  ValueRange,
  ValueSet,
} from './types.js';

/** MPD, area 9, version 1. */
export const mpdArea = area({
  name: 'MPD',
  number: 9,
  version: 1,
  types: [
    Product,
    ProductType,
    StandingOrder,
    ProductMetadata,
    FileMetadata,
    ProductFilter,
    TimeWindow,
    AttributeDef,
    AttributeFilter,
    ValueRange,
    ValueSet,
    StringPattern,
    DeliveryMethodEnum,
  ],
  services: { ProductRetrieval, OrderManagement, ProductOrderDelivery },
  errors: MPD_ERRORS,
});

/** MAL and MPD. */
export const mpdRegistry = createRegistry([malArea, mpdArea]);
