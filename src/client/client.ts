import type { ObjectRef } from '../mal/index.js';
import type { FilterTree } from '../mpd/filter/index.js';
import type { ProductFilter, ProductMetadata, StandingOrder, TimeWindow } from '../mpd/index.js';

/** Options that every call takes; an aborted signal ends the call with its reason. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface ProductQuery {
  /** null or absent = everything the caller may see. */
  readonly productFilter?: ProductFilter | null;
  readonly created?: TimeWindow | null;
  readonly content?: TimeWindow | null;
  /** Extension (HTTP): Boolean, several types, named filters; ANDed with `productFilter`. Others answer Unsupported Operation. */
  readonly tree?: FilterTree | null;
}

export interface ListedProduct {
  readonly metadata: ProductMetadata;
  /** Opaque fingerprint of the content; null where the transport has none. */
  readonly revision: string | null;
  readonly updatedAt: bigint | null;
  /** Place in the folder view. */
  readonly path: string | null;
  readonly fileName: string | null;
}

export interface ProductBody {
  readonly metadata: ProductMetadata;
  readonly revision: string | null;
  /** Of the whole product in bytes; null = unknown until the end. */
  readonly size: number | null;
  /** SHA-256 of the whole product where the server knows it before sending. */
  readonly sha256: Uint8Array | null;
  /** Name the server suggests for a file. */
  readonly fileName: string;
  /** Bytes from the offset asked for; goes on by itself after a lost connection; throws when the content changes meanwhile or ends early. */
  readonly stream: AsyncIterable<Uint8Array>;
}

export interface GetProductOptions extends CallOptions {
  /** First byte wanted. */
  readonly offset?: number;
  /** Only this content: another one now is Unknown (class `refuse`). Needed to go on with a part from an earlier run. */
  readonly revision?: string | null;
  /** Name of another form that the product is to be had in (`csv`). Of it no size and no SHA-256 is known before the end. HTTP only. */
  readonly form?: string;
}

export interface DeliverOptions extends CallOptions {
  /** Name of the form that all these products are delivered in (`csv`). HTTP only. */
  readonly form?: string;
}

export interface DeliveredFile {
  readonly index: number;
  readonly metadata: ProductMetadata;
  readonly filename: string;
  readonly success: boolean;
  /** Why not, when the transport tells. */
  readonly cause: string | null;
}

export interface FileDelivery {
  /** Order of kind `once` behind it; null where the transport does not tell. */
  readonly orderID: bigint | null;
  /** In request order. It goes on at the gateway when the caller leaves. */
  readonly files: AsyncIterable<DeliveredFile>;
}

/** What the standard offers, over any transport. Every failure is an `MpdError`. */
export interface MpdClient {
  /** Every matching product in creation order, page by page where the transport has pages. */
  listProducts(
    query?: ProductQuery,
    options?: CallOptions & { readonly pageSize?: number },
  ): AsyncIterable<ListedProduct>;
  /** One product with its body. */
  getProduct(ref: ObjectRef, options?: GetProductOptions): Promise<ProductBody>;
  deliverProductFiles(refs: readonly ObjectRef[], deliverTo: string, options?: DeliverOptions): Promise<FileDelivery>;
  submitStandingOrder(order: StandingOrder, options?: CallOptions): Promise<bigint>;
  /** `user` null, absent or `*` = all that may be seen. */
  listStandingOrders(
    query?: { readonly user?: string | null; readonly domain?: readonly string[] | null },
    options?: CallOptions,
  ): Promise<readonly StandingOrder[]>;
  cancelStandingOrder(orderID: bigint, options?: CallOptions): Promise<void>;
  close(): Promise<void>;
}
