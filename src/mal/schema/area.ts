import { body } from './declare.js';
import type {
  AbstractDescriptor,
  AnyAttributeDescriptor,
  AttributeDescriptor,
  BodyDescriptor,
  CompositeDescriptor,
  EnumerationDescriptor,
  Fields,
  FieldValues,
  TypeDescriptor,
} from './descriptor.js';

export interface ErrorDescriptor<N extends string = string> {
  readonly name: N;
  readonly number: number;
  readonly doc: string;
}

export const error = <const N extends string>(name: N, number: number, doc = ''): ErrorDescriptor<N> => ({
  name,
  number,
  doc,
});

/** An error that an operation raises, with the type of its extra information. */
export interface ErrorUse {
  readonly error: ErrorDescriptor;
  readonly extraInformation: TypeDescriptor | null;
}

export const raises = (error: ErrorDescriptor, extraInformation: TypeDescriptor | null = null): ErrorUse => ({
  error,
  extraInformation,
});

interface OperationBase {
  readonly name: string;
  readonly number: number;
  readonly capabilitySet: number;
  readonly errors: readonly ErrorUse[];
  readonly doc: string;
}

export interface SendOperation<S = unknown> extends OperationBase {
  readonly pattern: 'send';
  readonly send: BodyDescriptor<S>;
}
export interface SubmitOperation<S = unknown> extends OperationBase {
  readonly pattern: 'submit';
  readonly submit: BodyDescriptor<S>;
}
export interface RequestOperation<Q = unknown, R = unknown> extends OperationBase {
  readonly pattern: 'request';
  readonly request: BodyDescriptor<Q>;
  readonly response: BodyDescriptor<R>;
}
export interface InvokeOperation<Q = unknown, A = unknown, R = unknown> extends OperationBase {
  readonly pattern: 'invoke';
  readonly invoke: BodyDescriptor<Q>;
  readonly acknowledgement: BodyDescriptor<A>;
  readonly response: BodyDescriptor<R>;
}
export interface ProgressOperation<Q = unknown, A = unknown, U = unknown, R = unknown> extends OperationBase {
  readonly pattern: 'progress';
  readonly progress: BodyDescriptor<Q>;
  readonly acknowledgement: BodyDescriptor<A>;
  readonly update: BodyDescriptor<U>;
  readonly response: BodyDescriptor<R>;
}
export interface PubSubOperation<K = unknown, N = unknown> extends OperationBase {
  readonly pattern: 'pubsub';
  /** Subscription keys; attributes only. */
  readonly keys: BodyDescriptor<K>;
  readonly publishNotify: BodyDescriptor<N>;
}

export type OperationDescriptor =
  | SendOperation
  | SubmitOperation
  | RequestOperation
  | InvokeOperation
  | ProgressOperation
  | PubSubOperation;

interface Common {
  readonly capabilitySet: number;
  readonly errors?: readonly ErrorUse[];
  readonly doc?: string;
}

const base = (name: string, number: number, common: Common): OperationBase => ({
  name,
  number,
  capabilitySet: common.capabilitySet,
  errors: common.errors ?? [],
  doc: common.doc ?? '',
});

export const send = <S extends Fields>(
  name: string,
  number: number,
  def: Common & { readonly send: S },
): SendOperation<FieldValues<S>> => ({ ...base(name, number, def), pattern: 'send', send: body(def.send) });

export const submit = <S extends Fields>(
  name: string,
  number: number,
  def: Common & { readonly submit: S },
): SubmitOperation<FieldValues<S>> => ({ ...base(name, number, def), pattern: 'submit', submit: body(def.submit) });

export const request = <Q extends Fields, R extends Fields>(
  name: string,
  number: number,
  def: Common & { readonly request: Q; readonly response: R },
): RequestOperation<FieldValues<Q>, FieldValues<R>> => ({
  ...base(name, number, def),
  pattern: 'request',
  request: body(def.request),
  response: body(def.response),
});

export const invoke = <Q extends Fields, A extends Fields, R extends Fields>(
  name: string,
  number: number,
  def: Common & { readonly invoke: Q; readonly acknowledgement: A; readonly response: R },
): InvokeOperation<FieldValues<Q>, FieldValues<A>, FieldValues<R>> => ({
  ...base(name, number, def),
  pattern: 'invoke',
  invoke: body(def.invoke),
  acknowledgement: body(def.acknowledgement),
  response: body(def.response),
});

export const progress = <Q extends Fields, A extends Fields, U extends Fields, R extends Fields>(
  name: string,
  number: number,
  def: Common & { readonly progress: Q; readonly acknowledgement: A; readonly update: U; readonly response: R },
): ProgressOperation<FieldValues<Q>, FieldValues<A>, FieldValues<U>, FieldValues<R>> => ({
  ...base(name, number, def),
  pattern: 'progress',
  progress: body(def.progress),
  acknowledgement: body(def.acknowledgement),
  update: body(def.update),
  response: body(def.response),
});

export const pubsub = <K extends Fields, N extends Fields>(
  name: string,
  number: number,
  def: Common & { readonly keys: K; readonly publishNotify: N },
): PubSubOperation<FieldValues<K>, FieldValues<N>> => ({
  ...base(name, number, def),
  pattern: 'pubsub',
  keys: body(def.keys),
  publishNotify: body(def.publishNotify),
});

export type Operations = Readonly<Record<string, OperationDescriptor>>;

export interface ServiceDescriptor<N extends string = string, O extends Operations = Operations> {
  readonly name: N;
  readonly number: number;
  readonly operations: O;
  readonly doc: string;
}

/** A service; `operations` is keyed by operation name. */
export const service = <const N extends string, O extends Operations>(
  name: N,
  number: number,
  operations: O,
  doc = '',
): ServiceDescriptor<N, O> => ({ name, number, operations, doc });

export type AreaType =
  | AttributeDescriptor
  | AnyAttributeDescriptor
  | EnumerationDescriptor
  | CompositeDescriptor
  | AbstractDescriptor;

export interface AreaDescriptor<S = Readonly<Record<string, ServiceDescriptor>>> {
  readonly name: string;
  readonly number: number;
  readonly version: number;
  readonly types: readonly AreaType[];
  readonly services: S;
  readonly errors: readonly ErrorDescriptor[];
}

export const area = <S extends Readonly<Record<string, ServiceDescriptor>>>(
  def: AreaDescriptor<S>,
): AreaDescriptor<S> => def;
