import { ATTRIBUTE_TYPES, type AttributeTypeName } from '../types/index.js';
import type {
  AbstractBase,
  AbstractDescriptor,
  AnyAttributeDescriptor,
  AttributeDescriptor,
  BodyDescriptor,
  CompositeDescriptor,
  EnumerationDescriptor,
  FieldDescriptor,
  Fields,
  FieldValues,
  ItemDescriptor,
  ListDescriptor,
  Nullable,
  TypeDescriptor,
  ValueOf,
} from './descriptor.js';

type Simplify<T> = { [K in keyof T]: T[K] };

/** One of the nineteen MAL attribute types. */
export const attribute = <K extends AttributeTypeName>(name: K): AttributeDescriptor<K> => ({
  kind: 'attribute',
  name,
  number: ATTRIBUTE_TYPES.indexOf(name) + 1,
});

/** A Time that becomes the next whole millisecond on the wire, where others are rounded down: the end of a window. */
export const timeRoundedUp = (): AttributeDescriptor<'Time'> => ({ ...attribute('Time'), round: 'up' });

/** A reference to objects of one type. */
export const objectRefTo = (target: string): AttributeDescriptor<'ObjectRef'> => ({
  ...attribute('ObjectRef'),
  target,
});

/** The abstract type Attribute. */
export const anyAttribute = (): AnyAttributeDescriptor => ({ kind: 'any-attribute', name: 'Attribute' });

/** An enumeration; `items` gives each name its numeric value. */
export const enumeration = <const I extends Readonly<Record<string, number>>>(
  name: string,
  number: number,
  items: I,
  doc = '',
): EnumerationDescriptor<keyof I & string> => ({
  kind: 'enumeration',
  name,
  number,
  items: new Map(Object.entries(items) as [keyof I & string, number][]),
  doc,
});

/** A field, or message part, that may be null. */
export const nullable = <T extends TypeDescriptor>(type: T): Nullable<ValueOf<T>> => ({ kind: 'nullable', type });

export const list = <T extends ItemDescriptor>(item: T): ListDescriptor<ValueOf<T>> => ({ kind: 'list', item });

/** A composite with an own number. */
export function composite<F extends Fields>(
  name: string,
  number: number,
  fields: F,
  doc = '',
): CompositeDescriptor<FieldValues<F>> {
  return { kind: 'composite', name, number, doc, fields: fieldList(fields), parent: 'Composite', tagged: false };
}

/** A composite that stands for an MO Object: it starts with the field `objectIdentity`. */
export function object<I extends CompositeDescriptor, F extends Fields>(
  name: string,
  number: number,
  identity: I,
  fields: F,
  doc = '',
): CompositeDescriptor<Simplify<{ readonly objectIdentity: ValueOf<I> } & FieldValues<F>>> {
  const all = [{ name: 'objectIdentity', type: identity, nullable: false }, ...fieldList(fields)];
  return { kind: 'composite', name, number, doc, fields: all, parent: 'Object', tagged: false };
}

/** An abstract composite, for {@link subtype} to extend; {@link abstract} closes it. */
export const abstractBase = <F extends Fields>(name: string, fields: F, doc = ''): AbstractBase<F> => ({
  kind: 'abstract-base',
  name,
  doc,
  fields: fieldList(fields),
  declared: fields,
});

/** A concrete subtype of an abstract composite; its values carry `type: name`. */
export function subtype<N extends string, B extends Fields, F extends Fields>(
  name: N,
  number: number,
  parent: AbstractBase<B>,
  fields: F,
  doc = '',
): CompositeDescriptor<Simplify<{ readonly type: N } & FieldValues<B> & FieldValues<F>>> {
  const all = [...parent.fields, ...fieldList(fields)];
  return { kind: 'composite', name, number, doc, fields: all, parent, tagged: true };
}

/** The abstract composite with its concrete subtypes. */
export const abstract = <S extends CompositeDescriptor>(
  base: AbstractBase,
  subtypes: readonly S[],
): AbstractDescriptor<ValueOf<S>> => ({
  kind: 'abstract',
  name: base.name,
  doc: base.doc,
  base,
  subtypes: new Map(subtypes.map((type) => [type.name, type])),
});

/** The fields of a message. */
export const body = <F extends Fields>(fields: F): BodyDescriptor<FieldValues<F>> => ({ fields: fieldList(fields) });

function fieldList(fields: Fields): FieldDescriptor[] {
  return Object.entries(fields).map(([name, type]) =>
    type.kind === 'nullable' ? { name, type: type.type, nullable: true } : { name, type, nullable: false },
  );
}
