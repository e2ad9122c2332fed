import type { EncodingName } from '../../mal/index.js';

/** The sections `listen.maltcp`, `listen.malhttp`, `listen.endpoints` and what bounds them, with everything decided. */
export interface MalBindingConfig {
  readonly maltcp: MalListenConfig | null;
  readonly malhttp: MalListenConfig | null;
  /** Further maltcp ports, each for one encoding. */
  readonly encodingPorts: readonly { readonly encoding: EncodingName; readonly port: number }[];
  readonly endpoints: EndpointNames;
  readonly rules: readonly MalRule[];
  readonly capabilities: MalCapabilities;
  /** `@owner/name` as a productType stands for a named filter. */
  readonly namedFilters: boolean;
  readonly limits: MalLimits;
}

export interface MalListenConfig {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Root of the URIs that consumers use, where it differs from the bound address. */
  readonly publicUri: string | null;
  /** PEM text. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** The first one is used where a request does not tell. */
  readonly encodings: readonly EncodingName[];
  /** Bytes of one message. */
  readonly maxFrame: number;
  readonly connections: number;
  readonly interactions: number;
  /** Of malhttp: how consumers with MAL headers are answered. */
  readonly mode?: 'request-response' | 'no-response';
}

export interface EndpointNames {
  readonly retrieval: string;
  readonly orders: string;
  readonly delivery: string;
  readonly broker: string;
}

/** One of `access.mal`. */
export interface MalRule {
  readonly cidr: string;
  /** Hex; absent: any, also none. */
  readonly authId?: string | undefined;
  readonly principal: string;
  readonly user: 'must-equal' | 'asserted';
}

export interface MalCapabilities {
  readonly listProducts: boolean;
  readonly getProducts: boolean;
  readonly deliverProductFiles: boolean;
  readonly listStandingOrders: boolean;
  readonly manageStandingOrders: boolean;
  readonly notifyProductDelivery: boolean;
  readonly deliverProducts: boolean;
}

export interface MalLimits {
  /** Entries of one listProducts. */
  readonly results: number;
  /** References of one getProducts. */
  readonly products: number;
  /** Bytes of one product body. */
  readonly body: number;
  /** Bytes of product bodies held in memory at a time, all interactions together. */
  readonly held: number;
  /** For interactions under way when the gateway stops. */
  readonly drainMs: number;
}
