import type { OperationName, Shape } from './shape.js';

/** The contract as data: the WSDL, the reading of requests and the writing of answers all follow from it. */
export interface Field {
  readonly name: string;
  /** A simple type of XML Schema, an enumeration or a type below. */
  readonly type: string;
  readonly optional?: boolean;
  readonly many?: boolean;
  readonly nillable?: boolean;
}

const field = (name: string, type: string, mark = ''): Field => ({
  name,
  type,
  ...((mark.includes('?') || mark.includes('*')) && { optional: true }),
  ...(mark.includes('*') && { many: true }),
  ...(mark.includes('0') && { nillable: true }),
});

export const ENUMERATIONS: Readonly<Record<string, readonly string[]>> = {
  RequestKind: ['BatchRequest', 'StreamRequest'],
  JobState: ['SUBMITTED', 'ACTIVE', 'COMPLETED', 'FAILED', 'CANCELLED', 'EXPIRED'],
  Format: ['XML', 'HEX'],
  Compression: ['NONE', 'ZIP'],
  TimeField: ['FilingTime', 'CreationTime'],
  Protocol: ['FILE', 'FTP', 'FTPS', 'SFTP'],
};

/** Complex types; `Delivery` is a choice, all others are sequences. */
export const TYPES: Readonly<Record<string, readonly Field[]>> = {
  BatchRequest: [
    field('Name', 'string', '?'),
    field('Domain', 'string'),
    field('DataType', 'string'),
    field('TimeRange', 'TimeRange', '?'),
    field('Filter', 'Filter', '?'),
    field('Format', 'Format', '?'),
    field('MaxElements', 'positiveInteger', '?'),
    field('Compression', 'Compression', '?'),
    field('Schedule', 'Schedule', '?'),
    field('Delivery', 'Delivery', '?'),
    field('ExpiryTime', 'dateTime', '?'),
  ],
  StreamRequest: [
    field('Name', 'string', '?'),
    field('Domain', 'string'),
    field('DataType', 'string'),
    field('Filter', 'Filter', '?'),
    field('End', 'dateTime', '?'),
    field('PartSeconds', 'positiveInteger', '?'),
    field('Delivery', 'Delivery', '?'),
  ],
  TimeRange: [field('Begin', 'dateTime'), field('End', 'dateTime'), field('TimeField', 'TimeField', '?')],
  Filter: [
    field('Spid', 'unsignedInt', '*'),
    field('Apid', 'unsignedShort', '*'),
    field('ServiceType', 'unsignedByte', '*'),
    field('ServiceSubType', 'unsignedByte', '*'),
    field('ParameterName', 'string', '*'),
    field('CommandName', 'string', '*'),
    field('FileName', 'string', '*'),
  ],
  Schedule: [field('Start', 'dateTime'), field('Period', 'duration'), field('Until', 'dateTime', '?')],
  Delivery: [field('ServerDelivery', 'ServerDelivery'), field('FileServerDelivery', 'FileServerDelivery')],
  ServerDelivery: [],
  FileServerDelivery: [
    field('Protocol', 'Protocol'),
    field('Host', 'string', '?'),
    field('Port', 'unsignedShort', '?'),
    field('Directory', 'string'),
    field('UserName', 'string', '?'),
    field('Password', 'string', '?'),
  ],
  JobStatus: [
    field('RequestId', 'string'),
    field('State', 'string'),
    field('Error', 'string', '?0'),
    field('Reason', 'string', '?0'),
    field('SubmissionTime', 'dateTime'),
    field('ExpiryTime', 'dateTime', '?0'),
  ],
  CatalogueEntry: [
    field('Domain', 'string'),
    field('DataType', 'string'),
    field('Name', 'string'),
    field('Description', 'string', '?'),
    field('Spid', 'unsignedInt', '?'),
    field('Apid', 'unsignedShort', '?'),
    field('ServiceType', 'unsignedByte', '?'),
    field('ServiceSubType', 'unsignedByte', '?'),
    field('Begin', 'dateTime', '?'),
    field('End', 'dateTime', '?'),
    field('Count', 'nonNegativeInteger', '?'),
    field('FileName', 'string', '?'),
    field('FileSize', 'nonNegativeInteger', '?'),
    field('FileTime', 'dateTime', '?'),
  ],
};

/** Children of a ResponseFile, which depend on how the site tells the last part; Content comes last and is streamed. */
export function responseFileFields(shape: Shape): readonly Field[] {
  return [
    field('RequestId', 'string'),
    field('Part', 'positiveInteger'),
    ...(shape.last === 'flag' ? [field('LastPart', 'boolean')] : []),
    ...(shape.last === 'count' ? [field('TotalParts', 'nonNegativeInteger', '?')] : []),
    field('FileName', 'string'),
    field('CreationTime', 'dateTime'),
    field('ContentType', 'string'),
    field('Size', 'nonNegativeInteger'),
  ];
}

export interface Operation {
  readonly input: readonly Field[];
  readonly output: readonly Field[];
}

const OPERATION_FIELDS: Readonly<Record<OperationName, Operation>> = {
  login: { input: [field('user', 'string'), field('password', 'string')], output: [field('token', 'string')] },
  logout: { input: [], output: [] },
  batchRequest: { input: [field('request', 'BatchRequest')], output: [field('requestId', 'string')] },
  streamRequest: { input: [field('request', 'StreamRequest')], output: [field('requestId', 'string')] },
  cancelRequest: { input: [field('requestId', 'string')], output: [field('status', 'JobStatus')] },
  getStatus: { input: [field('requestId', 'string')], output: [field('status', 'JobStatus')] },
  getJobs: {
    input: [
      field('kind', 'RequestKind', '?'),
      field('state', 'JobState', '*'),
      field('submittedFrom', 'dateTime', '?'),
      field('submittedTo', 'dateTime', '?'),
    ],
    output: [field('status', 'JobStatus', '*')],
  },
  getResponse: {
    input: [field('requestId', 'string'), field('part', 'positiveInteger', '?')],
    output: [field('response', 'ResponseFile')],
  },
  getCatalogue: {
    input: [field('domain', 'string', '?'), field('dataType', 'string', '?')],
    output: [field('entry', 'CatalogueEntry', '*')],
  },
};

/** Children of an operation's wrappers at this site. */
export function operationFields(shape: Shape, name: OperationName): Operation {
  const { input, output } = OPERATION_FIELDS[name];
  const takesToken = name !== 'login' && shape.token.includes('argument');
  return {
    input: takesToken ? [field('token', 'string', '?'), ...input] : input,
    output: name === 'login' && !shape.tokenInAnswer ? [] : output,
  };
}
