import { badEncoding, MalError } from '../errors.js';
import {
  type AbstractDescriptor,
  absoluteShortForm,
  type BodyDescriptor,
  type CompositeDescriptor,
  type FieldDescriptor,
  type ListDescriptor,
  type Registry,
  type TypeDescriptor,
  type Typed,
} from '../schema/index.js';
import { ATTRIBUTE_TYPES, type Attribute, type AttributeTypeName, type ObjectRef } from '../types/index.js';
import type { Codec, WireTypeId, Writer } from './encoding.js';
import { enumeration, primitives, timeRoundedUp } from './primitives.js';
import type { Reuse } from './reuse.js';
import { varintOf, zigzag64 } from './varint.js';

/**
 * How declared types become primitives (MAL element grammar), the same for every binary encoding: flags before nullable parts,
 * lists as a count and bare entries, entries of abstract lists with a flag and a type id, an Attribute field with a one-byte tag.
 */

export interface Grammar {
  readonly registry: Registry;
  /** A value of a type as a field or list entry. */
  codec<V>(type: Typed<V> & TypeDescriptor): Codec<V>;
  /** A message body; a body without fields takes no bytes. */
  body<V>(body: BodyDescriptor<V>): Codec<V>;
  /** Type id of a registered type, ready to write. */
  typeId(id: bigint): WireTypeId;
}

export function wireTypeId(id: bigint): WireTypeId {
  const unsigned = BigInt.asUintN(64, id);
  return {
    id,
    high: Number(unsigned >> 32n),
    low: Number(unsigned & 0xffff_ffffn),
    varint: varintOf(zigzag64(BigInt.asIntN(64, id))),
  };
}

export interface GrammarOptions {
  /** Types whose encoded values are kept, each with where. */
  readonly reuse?: readonly Reuse[];
}

export function createGrammar(registry: Registry, { reuse = [] }: GrammarOptions = {}): Grammar {
  const codecs = new WeakMap<object, Codec>();
  const bodies = new WeakMap<object, Codec>();
  const typeIds = new Map<bigint, WireTypeId>();
  const objectTypes = new Map<string, WireTypeId>();
  const objectNames = new Map<bigint, string>();

  function typeId(id: bigint): WireTypeId {
    let known = typeIds.get(id);
    if (known === undefined) {
      known = wireTypeId(id);
      typeIds.set(id, known);
    }
    return known;
  }

  function objectType(name: string): WireTypeId {
    const known = objectTypes.get(name);
    if (known !== undefined) return known;
    try {
      const id = typeId(registry.objectTypeId(name));
      if (objectTypes.size < 1000) objectTypes.set(name, id);
      return id;
    } catch (error) {
      throw badEncoding((error as Error).message);
    }
  }

  function objectName(id: bigint): string {
    const known = objectNames.get(id);
    if (known !== undefined) return known;
    const name = registry.objectTypeName(id);
    if (objectNames.size < 1000) objectNames.set(id, name);
    return name;
  }

  const objectRef: Codec<ObjectRef> = {
    write(writer, { domain, type, key, version }) {
      writer.count(domain.length);
      for (const part of domain) writer.text(part);
      writer.typeId(objectType(type));
      writer.text(key);
      writer.long(BigInt(version));
    },
    read(reader) {
      const domain: string[] = [];
      for (let left = reader.count(1); left > 0; left--) domain.push(reader.text());
      const type = objectName(reader.typeId());
      const key = reader.text();
      const version = reader.long();
      if (version < 0n || version > 0xffff_ffffn) throw badEncoding(`an object version of ${version}`);
      return { domain, type, key, version: Number(version) };
    },
    minimum: 4,
  };

  const attributes: { readonly [K in AttributeTypeName]: Codec } = {
    ...primitives,
    ObjectRef: objectRef,
  };

  const byTag = ATTRIBUTE_TYPES.map((name) => attributes[name]);

  /** An Attribute as a field: one byte of type, then the value. */
  const tagged: Codec<Attribute> = {
    write(writer, { type, value }) {
      writer.uoctet(ATTRIBUTE_TYPES.indexOf(type) + 1);
      attributes[type].write(writer, value as never);
    },
    read(reader) {
      const tag = reader.uoctet();
      const codec = byTag[tag - 1];
      if (codec === undefined) throw badEncoding(`no attribute type ${tag}`);
      return { type: ATTRIBUTE_TYPES[tag - 1], value: codec.read(reader) } as Attribute;
    },
    minimum: 1,
  };

  const attributeIds = new Map<AttributeTypeName, WireTypeId>(
    ATTRIBUTE_TYPES.map((name, i) => [name, typeId(absoluteShortForm(1, 3, i + 1))]),
  );
  const attributeNames = new Map(ATTRIBUTE_TYPES.map((name) => [attributeIds.get(name)!.id, name]));

  /** An Attribute as a list entry or message part: its full type id, then the value. */
  const identified: Codec<Attribute> = {
    write(writer, { type, value }) {
      writer.typeId(attributeIds.get(type)!);
      attributes[type].write(writer, value as never);
    },
    read(reader) {
      const id = reader.typeId();
      const type = attributeNames.get(id);
      if (type === undefined) throw badEncoding(`type ${id} is no attribute`);
      return { type, value: attributes[type].read(reader) } as Attribute;
    },
    minimum: 2,
  };

  function abstract(type: AbstractDescriptor): Codec<{ readonly type: string }> {
    const byName = new Map<string, { readonly id: WireTypeId; readonly codec: Codec }>();
    const byId = new Map<bigint, Codec>();
    for (const subtype of type.subtypes.values()) {
      const id = typeId(registry.idOf(subtype));
      const codec = codecOf(subtype);
      byName.set(subtype.name, { id, codec });
      byId.set(id.id, codec);
    }
    return {
      write(writer, value) {
        const subtype = byName.get(value.type);
        if (subtype === undefined) throw badEncoding(`${value.type} is no ${type.name}`);
        writer.typeId(subtype.id);
        subtype.codec.write(writer, value as never);
      },
      read(reader) {
        const id = reader.typeId();
        const codec = byId.get(id);
        if (codec === undefined) throw badEncoding(`type ${id} is no ${type.name}`);
        return codec.read(reader) as { readonly type: string };
      },
      minimum: 2,
    };
  }

  function list(type: ListDescriptor): Codec<readonly unknown[]> {
    const { item } = type;
    const polymorphic = item.kind === 'any-attribute' || item.kind === 'abstract';
    const codec = item.kind === 'any-attribute' ? identified : codecOf(item);
    function entries(writer: Writer, values: readonly unknown[], from: number, to: number): void {
      for (let i = from; i < to; i++) {
        try {
          if (polymorphic) writer.flag(true);
          codec.write(writer, values[i]);
        } catch (error) {
          throw within(`[${i}]`, error);
        }
      }
    }
    return {
      write(writer, values) {
        writer.count(values.length);
        entries(writer, values, 0, values.length);
      },
      *steps(writer, values) {
        writer.count(values.length);
        for (let from = 0; from < values.length; from += STEP) {
          entries(writer, values, from, Math.min(from + STEP, values.length));
          yield;
        }
      },
      read(reader) {
        const values: unknown[] = [];
        for (let left = reader.count(codec.minimum); left > 0; left--) {
          if (polymorphic && !reader.flag()) throw badEncoding('a null entry in a list');
          values.push(codec.read(reader));
        }
        return values;
      },
      minimum: 1,
    };
  }

  function fields(
    declared: readonly FieldDescriptor[],
    tag: string | null,
    codecFor: (type: TypeDescriptor) => Codec,
  ): Codec<Readonly<Record<string, unknown>>> {
    const parts = declared.map(({ name, nullable, type }) => ({ name, nullable, codec: codecFor(type) }));
    const minimum = parts.reduce((sum, part) => sum + (part.nullable ? 0 : part.codec.minimum), 0);
    return {
      write(writer, value) {
        let at = 0;
        try {
          for (; at < parts.length; at++) {
            const { name, nullable, codec } = parts[at]!;
            const part = value[name];
            const absent = part === null || part === undefined;
            if (nullable) writer.flag(!absent);
            else if (absent) throw badEncoding('must not be null');
            if (!absent) codec.write(writer, part);
          }
        } catch (error) {
          throw within(parts[at]!.name, error);
        }
      },
      *steps(writer, value) {
        for (const { name, nullable, codec } of parts) {
          const part = value[name];
          const absent = part === null || part === undefined;
          try {
            if (nullable) writer.flag(!absent);
            else if (absent) throw badEncoding('must not be null');
            if (!absent && codec.steps !== undefined) yield* codec.steps(writer, part);
            else if (!absent) codec.write(writer, part);
          } catch (error) {
            throw within(name, error);
          }
        }
      },
      read(reader) {
        const value: Record<string, unknown> = tag === null ? {} : { type: tag };
        for (let at = 0; at < parts.length; at++) {
          const { name, nullable, codec } = parts[at]!;
          value[name] = !nullable || reader.flag() ? codec.read(reader) : null;
        }
        return value;
      },
      minimum,
    };
  }

  function create(type: TypeDescriptor): Codec {
    switch (type.kind) {
      case 'attribute':
        return type.round === 'up' ? timeRoundedUp : attributes[type.name];
      case 'any-attribute':
        return tagged;
      case 'enumeration':
        return enumeration(type);
      case 'composite':
        return composite(type);
      case 'abstract':
        return abstract(type);
      case 'list':
        return list(type);
    }
  }

  function composite(type: CompositeDescriptor): Codec {
    const plain = fields(type.fields, type.tagged ? type.name : null, codecOf) as Codec;
    return reuse.find((one) => one.type === type)?.codec(plain) ?? plain;
  }

  function codecOf(type: TypeDescriptor): Codec {
    let codec = codecs.get(type);
    if (codec === undefined) {
      codec = create(type);
      codecs.set(type, codec);
    }
    return codec;
  }

  return {
    registry,
    typeId,
    codec: <V>(type: Typed<V> & TypeDescriptor) => codecOf(type) as Codec<V>,
    body<V>(body: BodyDescriptor<V>) {
      let codec = bodies.get(body);
      if (codec === undefined) {
        codec = fields(body.fields, null, (type) => (type.kind === 'any-attribute' ? identified : codecOf(type)));
        bodies.set(body, codec);
      }
      return codec as Codec<V>;
    },
  };
}

/** List entries that are written at a time. */
const STEP = 128;

/** Puts a field name or index in front of what an encoding error says. */
function within(step: string, error: unknown): unknown {
  if (!(error instanceof MalError)) {
    return error instanceof TypeError ? badEncoding(`${step}: not a value of its type (${error.message})`) : error;
  }
  const reason = String(error.extraInformation);
  const glue = reason.startsWith('[') ? '' : /^[\w.[\]]+: /.test(reason) ? '.' : ': ';
  return badEncoding(`${step}${glue}${reason}`);
}
