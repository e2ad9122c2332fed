import type { Attribute, AttributeTypeName, AttributeValues } from '../types/index.js';

declare const VALUE: unique symbol;

/** Carries the TypeScript type of a declared type's values; exists at compile time only. */
export interface Typed<V> {
  readonly [VALUE]?: V;
}

/** The TypeScript type of the values of a declared type, list, nullable field or message body. */
export type ValueOf<T> = T extends Typed<infer V> ? V : never;

export interface AttributeDescriptor<K extends AttributeTypeName = AttributeTypeName>
  extends Typed<AttributeValues[K]> {
  readonly kind: 'attribute';
  readonly name: K;
  readonly number: number;
  /** For ObjectRef: the type of the object referred to. */
  readonly target?: string;
  /** For Time: how a finer value becomes milliseconds on the wire; down when absent. */
  readonly round?: 'up';
}

/** The abstract type Attribute: any attribute, tagged. */
export interface AnyAttributeDescriptor extends Typed<Attribute> {
  readonly kind: 'any-attribute';
  readonly name: 'Attribute';
}

export interface EnumerationDescriptor<Item extends string = string> extends Typed<Item> {
  readonly kind: 'enumeration';
  readonly name: string;
  readonly number: number;
  readonly items: ReadonlyMap<Item, number>;
  readonly doc: string;
}

export interface CompositeDescriptor<V = unknown> extends Typed<V> {
  readonly kind: 'composite';
  readonly name: string;
  readonly number: number;
  readonly doc: string;
  /** Inherited fields first: the order on the wire. */
  readonly fields: readonly FieldDescriptor[];
  readonly parent: AbstractBase | 'Composite' | 'Object';
  /** Subtypes of an abstract composite carry `type: name`. */
  readonly tagged: boolean;
}

/** An abstract composite as its subtypes extend it. */
export interface AbstractBase<F extends Fields = Fields> {
  readonly kind: 'abstract-base';
  readonly name: string;
  readonly doc: string;
  readonly fields: readonly FieldDescriptor[];
  readonly declared: F;
}

/** An abstract composite as fields use it: one of its concrete subtypes, tagged. */
export interface AbstractDescriptor<V = unknown> extends Typed<V> {
  readonly kind: 'abstract';
  readonly name: string;
  readonly doc: string;
  readonly base: AbstractBase;
  readonly subtypes: ReadonlyMap<string, CompositeDescriptor>;
}

export interface ListDescriptor<V = unknown> extends Typed<readonly V[]> {
  readonly kind: 'list';
  readonly item: ItemDescriptor;
}

export type ConcreteDescriptor = AttributeDescriptor | EnumerationDescriptor | CompositeDescriptor;
export type ItemDescriptor = ConcreteDescriptor | AnyAttributeDescriptor | AbstractDescriptor;
export type TypeDescriptor = ItemDescriptor | ListDescriptor;

export interface Nullable<V> extends Typed<V | null> {
  readonly kind: 'nullable';
  readonly type: TypeDescriptor;
}

export interface FieldDescriptor {
  readonly name: string;
  readonly type: TypeDescriptor;
  readonly nullable: boolean;
}

/** Fields as they are declared; their order is the order on the wire. */
export type Fields = Readonly<Record<string, TypeDescriptor | Nullable<unknown>>>;

export type FieldValues<F> = { readonly [K in keyof F]: ValueOf<F[K]> };

/** The fields of one message. */
export interface BodyDescriptor<V = unknown> extends Typed<V> {
  readonly fields: readonly FieldDescriptor[];
}
