import {
  AnyAttribute,
  AttributeType,
  abstract,
  abstractBase,
  Blob,
  composite,
  enumeration,
  Identifier,
  Long,
  list,
  MalBoolean,
  MalString,
  NamedValue,
  nullable,
  ObjectIdentity,
  object,
  objectRefTo,
  subtype,
  Time,
  timeRoundedUp,
  URI,
  type ValueOf,
} from '../mal/index.js';

/** Data types of MPD (area 9, version 1). */

export const ProductRef = objectRefTo('Product');

export const TimeWindow = composite(
  'TimeWindow',
  7,
  { start: Time, end: timeRoundedUp() },
  'A period, both ends included.',
);
export type TimeWindow = ValueOf<typeof TimeWindow>;

export const AttributeDef = composite(
  'AttributeDef',
  8,
  {
    name: Identifier,
    attributeType: AttributeType,
    units: nullable(MalString),
    description: nullable(MalString),
  },
  'A metadata attribute that products of a type carry.',
);
export type AttributeDef = ValueOf<typeof AttributeDef>;

export const ProductType = composite(
  'ProductType',
  2,
  { name: Identifier, description: nullable(MalString), attributeDefs: nullable(list(AttributeDef)) },
  'A kind of product and the metadata attributes it has.',
);
export type ProductType = ValueOf<typeof ProductType>;

export const FileMetadata = composite(
  'FileMetadata',
  5,
  { updateDate: Time, mime: Identifier, fileSize: Long },
  'Metadata of a product that is a file; the size is in bytes.',
);
export type FileMetadata = ValueOf<typeof FileMetadata>;

export const ProductMetadata = composite(
  'ProductMetadata',
  4,
  {
    productType: ProductType,
    productRef: ProductRef,
    creationDate: Time,
    source: nullable(Identifier),
    externalURI: nullable(URI),
    contentDate: TimeWindow,
    attributes: nullable(list(NamedValue)),
    description: nullable(MalString),
    fileMetadata: nullable(FileMetadata),
    checksum: nullable(Blob),
  },
  'A product without its body.',
);
export type ProductMetadata = ValueOf<typeof ProductMetadata>;

export const Product = object(
  'Product',
  1,
  ObjectIdentity,
  { productMetadata: ProductMetadata, productBody: Blob },
  'A mission data product. An empty body stands for metadata only.',
);
export type Product = ValueOf<typeof Product>;

const AttributeFilterBase = abstractBase(
  'AttributeFilter',
  { name: Identifier, include: MalBoolean },
  'A condition on one metadata attribute; a product without that attribute never passes.',
);

export const ValueRange = subtype(
  'ValueRange',
  9,
  AttributeFilterBase,
  { minimum: nullable(AnyAttribute), maximum: nullable(AnyAttribute) },
  'Both ends included; null leaves an end open.',
);
export type ValueRange = ValueOf<typeof ValueRange>;

export const ValueSet = subtype(
  'ValueSet',
  10,
  AttributeFilterBase,
  { values: list(AnyAttribute) },
  'One of the values; an empty set passes.',
);
export type ValueSet = ValueOf<typeof ValueSet>;

export const StringPattern = subtype(
  'StringPattern',
  11,
  AttributeFilterBase,
  { regex: MalString },
  'A regular expression (RE2) searched for in a text attribute.',
);
export type StringPattern = ValueOf<typeof StringPattern>;

export const AttributeFilter = abstract(AttributeFilterBase, [ValueRange, ValueSet, StringPattern]);
export type AttributeFilter = ValueOf<typeof AttributeFilter>;

export const ProductFilter = composite(
  'ProductFilter',
  6,
  {
    productType: nullable(Identifier),
    domain: nullable(list(Identifier)),
    sources: nullable(list(Identifier)),
    attributeFilter: nullable(list(AttributeFilter)),
  },
  'Conditions that all hold; null leaves one out. A domain ending in "*" takes in everything below.',
);
export type ProductFilter = ValueOf<typeof ProductFilter>;

export const DeliveryMethodEnum = enumeration(
  'DeliveryMethodEnum',
  12,
  { SERVICE_COMPLETE: 1, SERVICE_JUST_METADATA: 2, FILETRANSFER: 3 },
  'How products are delivered: in messages with or without their bodies, or as files.',
);
export type DeliveryMethodEnum = ValueOf<typeof DeliveryMethodEnum>;
export type DeliveryMethod = DeliveryMethodEnum;

export const StandingOrder = composite(
  'StandingOrder',
  3,
  {
    orderID: nullable(Long),
    user: Identifier,
    productFilter: nullable(ProductFilter),
    validityPeriod: nullable(TimeWindow),
    deliveryMethod: DeliveryMethodEnum,
    deliverTo: nullable(URI),
    comments: nullable(MalString),
  },
  'A lasting request for the new products that pass a filter.',
);
export type StandingOrder = ValueOf<typeof StandingOrder>;
