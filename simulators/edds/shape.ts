/** Everything in which one EDDS site may differ from another on the wire; the logic behind is the same. */
export type OperationName =
  | 'login'
  | 'logout'
  | 'batchRequest'
  | 'streamRequest'
  | 'cancelRequest'
  | 'getStatus'
  | 'getJobs'
  | 'getResponse'
  | 'getCatalogue';

export const OPERATIONS: readonly OperationName[] = [
  'login',
  'logout',
  'batchRequest',
  'streamRequest',
  'cancelRequest',
  'getStatus',
  'getJobs',
  'getResponse',
  'getCatalogue',
];

export type JobState = 'SUBMITTED' | 'ACTIVE' | 'COMPLETED' | 'FAILED' | 'CANCELLED' | 'EXPIRED';

export interface Shape {
  readonly name: string;
  readonly soap: '1.1' | '1.2';
  readonly namespace: string;
  /** Children carry the namespace. */
  readonly qualified: boolean;
  readonly service: string;
  readonly portType: string;
  readonly port: string;
  readonly path: string;
  readonly operations: Readonly<Record<OperationName, string>>;
  /** Wire name of an element or type child where it is not the name of the contract. */
  readonly elements: Readonly<Record<string, string>>;
  readonly states: Readonly<Record<JobState, string>>;
  /** Ways a token is accepted, in this order; `basic`: user and password with each call, no login needed. */
  readonly token: readonly ('argument' | 'header' | 'cookie' | 'basic')[];
  /** Whether login answers with a token element beside the cookie. */
  readonly tokenInAnswer: boolean;
  readonly cookie: string;
  readonly content: 'base64' | 'mtom' | 'inline';
  /** How the last part is told: LastPart; a total, given once the job ended; only by the fault beyond it. */
  readonly last: 'flag' | 'count' | 'fault';
}

const SAME_OPERATIONS = Object.fromEntries(OPERATIONS.map((name) => [name, name])) as Record<OperationName, string>;

/** The profile of the specification. */
export const STANDARD: Shape = {
  name: 'standard',
  soap: '1.1',
  namespace: 'urn:edds-sim:service:1',
  qualified: false,
  service: 'EddsService',
  portType: 'Edds',
  port: 'EddsPort',
  path: '/edds/services/EddsService',
  operations: SAME_OPERATIONS,
  elements: {},
  states: {
    SUBMITTED: 'SUBMITTED',
    ACTIVE: 'ACTIVE',
    COMPLETED: 'COMPLETED',
    FAILED: 'FAILED',
    CANCELLED: 'CANCELLED',
    EXPIRED: 'EXPIRED',
  },
  token: ['argument', 'header', 'cookie'],
  tokenInAnswer: true,
  cookie: 'JSESSIONID',
  content: 'base64',
  last: 'flag',
};

/** A site that does everything in another way. */
export const ALTERNATIVE: Shape = {
  name: 'alternative',
  soap: '1.2',
  namespace: 'urn:edds-sim:alternative:1',
  qualified: true,
  service: 'DisseminationService',
  portType: 'Dissemination',
  port: 'DisseminationPort',
  path: '/dissemination/v2',
  operations: {
    login: 'authenticate',
    logout: 'endSession',
    batchRequest: 'orderRetrieval',
    streamRequest: 'orderStream',
    cancelRequest: 'abort',
    getStatus: 'inquire',
    getJobs: 'inquireAll',
    getResponse: 'fetchPart',
    getCatalogue: 'browse',
  },
  elements: {
    user: 'loginName',
    password: 'secret',
    request: 'order',
    requestId: 'orderNumber',
    status: 'job',
    part: 'segment',
    response: 'delivery',
    entry: 'item',
    RequestId: 'OrderNumber',
    State: 'Phase',
    Domain: 'Mission',
    DataType: 'Product',
    Begin: 'From',
    End: 'To',
    Apid: 'ApplicationId',
    Content: 'Payload',
    FileName: 'Name1',
    Size: 'Bytes',
    Part: 'Segment',
    SubmissionTime: 'Received',
    ExpiryTime: 'KeptUntil',
    Code: 'Reason1',
    domain: 'mission',
    dataType: 'product',
    submittedFrom: 'receivedFrom',
    TotalParts: 'Segments',
  },
  states: {
    SUBMITTED: 'QUEUED',
    ACTIVE: 'RUNNING',
    COMPLETED: 'DONE',
    FAILED: 'ABORTED',
    CANCELLED: 'WITHDRAWN',
    EXPIRED: 'PURGED',
  },
  token: ['cookie'],
  tokenInAnswer: false,
  cookie: 'EDDSSESSION',
  content: 'mtom',
  last: 'count',
};

/** Wire name of a child of the contract. */
export function wireName(shape: Shape, name: string): string {
  return shape.elements[name] ?? name;
}

/** Name in the contract of a child on the wire. */
export function contractName(shape: Shape, wire: string): string {
  for (const [name, other] of Object.entries(shape.elements)) if (other === wire) return name;
  return wire;
}
