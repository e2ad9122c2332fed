import {
  anyAttribute,
  area,
  attribute,
  composite,
  enumeration,
  error,
  list,
  nullable,
  type ValueOf,
} from './schema/index.js';
import { ATTRIBUTE_TYPES } from './types/index.js';

/** MAL area 1, version 3: attributes, enumerations, composites and errors. */

export const Blob = attribute('Blob');
export const MalBoolean = attribute('Boolean');
export const Duration = attribute('Duration');
export const Float = attribute('Float');
export const Double = attribute('Double');
export const Identifier = attribute('Identifier');
export const Octet = attribute('Octet');
export const UOctet = attribute('UOctet');
export const Short = attribute('Short');
export const UShort = attribute('UShort');
export const Integer = attribute('Integer');
export const UInteger = attribute('UInteger');
export const Long = attribute('Long');
export const ULong = attribute('ULong');
export const MalString = attribute('String');
export const Time = attribute('Time');
export const FineTime = attribute('FineTime');
export const URI = attribute('URI');
export const ObjectRefType = attribute('ObjectRef');
export const AnyAttribute = anyAttribute();

export type Identifier = string;
export type URI = string;
/** Nanoseconds since 1970 UTC. */
export type Time = bigint;
export type FineTime = bigint;
/** Nanoseconds. */
export type Duration = bigint;

export const InteractionType = enumeration('InteractionType', 101, {
  SEND: 1,
  SUBMIT: 2,
  REQUEST: 3,
  INVOKE: 4,
  PROGRESS: 5,
  PUBSUB: 6,
});
export type InteractionType = ValueOf<typeof InteractionType>;

export const SessionType = enumeration('SessionType', 102, { LIVE: 1, SIMULATION: 2, REPLAY: 3 });
export type SessionType = ValueOf<typeof SessionType>;

export const QoSLevel = enumeration('QoSLevel', 103, { BESTEFFORT: 1, ASSURED: 2, QUEUED: 3, TIMELY: 4 });
export type QoSLevel = ValueOf<typeof QoSLevel>;

export const AttributeType = enumeration('AttributeType', 104, {
  BLOB: 1,
  BOOLEAN: 2,
  DURATION: 3,
  FLOAT: 4,
  DOUBLE: 5,
  IDENTIFIER: 6,
  OCTET: 7,
  UOCTET: 8,
  SHORT: 9,
  USHORT: 10,
  INTEGER: 11,
  UINTEGER: 12,
  LONG: 13,
  ULONG: 14,
  STRING: 15,
  TIME: 16,
  FINETIME: 17,
  URI: 18,
  OBJECTREF: 19,
});
export type AttributeType = ValueOf<typeof AttributeType>;

export const MOArea = enumeration('MOArea', 105, { MAL: 1, COM: 2, COMMON: 3, MC: 4, MPS: 5, SM: 7, MDPD: 9 });
export type MOArea = ValueOf<typeof MOArea>;

export const SubscriptionFilter = composite(
  'SubscriptionFilter',
  1002,
  { name: Identifier, values: list(AnyAttribute) },
  'Values of one key, ORed.',
);
export type SubscriptionFilter = ValueOf<typeof SubscriptionFilter>;

export const Subscription = composite(
  'Subscription',
  1001,
  {
    subscriptionId: Identifier,
    domain: nullable(list(Identifier)),
    selectedKeys: nullable(list(Identifier)),
    filters: nullable(list(SubscriptionFilter)),
  },
  'What a consumer registers for; the filters are ANDed.',
);
export type Subscription = ValueOf<typeof Subscription>;

export const NullableAttribute = composite('NullableAttribute', 1010, { value: nullable(AnyAttribute) });
export type NullableAttribute = ValueOf<typeof NullableAttribute>;

export const UpdateHeader = composite(
  'UpdateHeader',
  1003,
  {
    source: nullable(Identifier),
    domain: nullable(list(Identifier)),
    keyValues: nullable(list(NullableAttribute)),
  },
  'Identifies one published update.',
);
export type UpdateHeader = ValueOf<typeof UpdateHeader>;

export const IdBooleanPair = composite('IdBooleanPair', 1004, { id: Identifier, value: nullable(MalBoolean) });
export type IdBooleanPair = ValueOf<typeof IdBooleanPair>;

export const Pair = composite('Pair', 1005, { first: nullable(AnyAttribute), second: nullable(AnyAttribute) });
export type Pair = ValueOf<typeof Pair>;

export const NamedValue = composite(
  'NamedValue',
  1006,
  { name: Identifier, value: nullable(AnyAttribute) },
  'A name and an attribute value.',
);
export type NamedValue = ValueOf<typeof NamedValue>;

export const File = composite('File', 1007, {
  name: MalString,
  mimeType: nullable(MalString),
  creationDate: nullable(Time),
  modificationDate: nullable(Time),
  size: nullable(ULong),
  content: nullable(Blob),
  metaData: nullable(list(NamedValue)),
});
export type File = ValueOf<typeof File>;

export const ObjectIdentity = composite(
  'ObjectIdentity',
  1008,
  { domain: list(Identifier), key: Identifier, version: UInteger },
  'Domain, key and version of an MO Object.',
);
export type ObjectIdentity = ValueOf<typeof ObjectIdentity>;

export const ServiceId = composite('ServiceId', 1009, { keyArea: UShort, keyService: UShort, keyAreaVersion: UOctet });
export type ServiceId = ValueOf<typeof ServiceId>;

export const MAL_ERRORS = [
  error('Delivery Failed', 65_536),
  error('Delivery Timedout', 65_537),
  error('Delivery Delayed', 65_538),
  error('Destination Unknown', 65_539),
  error('Destination Transient', 65_540),
  error('Destination Lost', 65_541),
  error('Authentication Failed', 65_542),
  error('Authorisation Fail', 65_543),
  error('Encryption Fail', 65_544),
  error('Unsupported Area', 65_545),
  error('Unsupported Area Version', 65_546),
  error('Unsupported Service', 65_547),
  error('Unsupported Operation', 65_548),
  error('Bad Encoding', 65_549),
  error('Internal', 65_550),
  error('Unknown', 65_551),
  error('Incorrect State', 65_552),
  error('Too Many', 65_553),
  error('Shutdown', 65_554),
  error('Transaction Timeout', 65_555),
] as const;

export type MalErrorName = (typeof MAL_ERRORS)[number]['name'];

export const malArea = area({
  name: 'MAL',
  number: 1,
  version: 3,
  types: [
    AnyAttribute,
    ...ATTRIBUTE_TYPES.map((name) => attribute(name)),
    InteractionType,
    SessionType,
    QoSLevel,
    AttributeType,
    MOArea,
    Subscription,
    SubscriptionFilter,
    UpdateHeader,
    IdBooleanPair,
    Pair,
    NamedValue,
    File,
    ObjectIdentity,
    ServiceId,
    NullableAttribute,
  ],
  services: {},
  errors: MAL_ERRORS,
});
