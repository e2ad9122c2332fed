import type { MessageHeader, Peer } from '../message.js';
import type {
  InvokeOperation,
  OperationDescriptor,
  ProgressOperation,
  PubSubOperation,
  RequestOperation,
  SendOperation,
  ServiceDescriptor,
  SubmitOperation,
} from '../schema/index.js';

/** What a handler knows about the interaction it serves. */
export interface Interaction<P> {
  /** Who asks, as `authenticate` found out. */
  readonly principal: P;
  readonly header: MessageHeader;
  readonly peer: Peer;
  /** Aborted when the consumer is gone or the provider stops. */
  readonly signal: AbortSignal;
}

export interface InvokeInteraction<P, A> extends Interaction<P> {
  /** Sends the acknowledgement; must come first, an empty one is sent by itself before the response. */
  ack(body: A): Promise<void>;
}

export interface ProgressInteraction<P, A, U> extends InvokeInteraction<P, A> {
  /** Sends one update, after the acknowledgement; resolves when there is room for the next. */
  update(body: U): Promise<void>;
}

/** Serves one operation; what it returns is the response, what it throws becomes the error. */
export type Handler<O extends OperationDescriptor, P> =
  O extends SendOperation<infer S>
    ? (body: S, interaction: Interaction<P>) => void | Promise<void>
    : O extends SubmitOperation<infer S>
      ? (body: S, interaction: Interaction<P>) => void | Promise<void>
      : O extends RequestOperation<infer Q, infer R>
        ? (body: Q, interaction: Interaction<P>) => R | Promise<R>
        : O extends InvokeOperation<infer Q, infer A, infer R>
          ? (body: Q, interaction: InvokeInteraction<P, A>) => R | Promise<R>
          : O extends ProgressOperation<infer Q, infer A, infer U, infer R>
            ? (body: Q, interaction: ProgressInteraction<P, A, U>) => R | Promise<R>
            : never;

/** Handlers by operation; operations left out are not supported. */
export type Handlers<S extends ServiceDescriptor, P> = {
  readonly [K in keyof S['operations'] as S['operations'][K] extends PubSubOperation ? never : K]?:
    | Handler<S['operations'][K], P>
    | undefined;
};

export type AnyHandler<P> = (body: never, interaction: ProgressInteraction<P, unknown, unknown>) => unknown;
