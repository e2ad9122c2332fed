import type { AreaDescriptor, AreaType } from './area.js';
import type { ConcreteDescriptor, ListDescriptor } from './descriptor.js';

export type RegisteredType = ConcreteDescriptor | ListDescriptor;

/** Types of the given areas, found by name, by number, or by absolute short form. */
export interface Registry {
  readonly areas: readonly AreaDescriptor[];
  /** A type by its unqualified name; where two areas share a name, the area given first wins. */
  byName(name: string): AreaType | undefined;
  /** A concrete type, or the homogeneous list of one, by its absolute short form. */
  byId(id: bigint): RegisteredType | undefined;
  /** Absolute short form of a concrete type or of a homogeneous list. @throws RangeError when it is in none of the areas */
  idOf(type: RegisteredType): bigint;
  /** Absolute short form of the object type an ObjectRef names (a name, or `0x` and 16 hex digits). @throws RangeError */
  objectTypeId(name: string): bigint;
  /** The reverse of {@link Registry.objectTypeId}. */
  objectTypeName(id: bigint): string;
  area(number: number): AreaDescriptor | undefined;
}

/** area | service | area version | type number, 16 + 16 + 8 + 24 bits (MAL absolute short form); service 0 = defined by the area. */
export const absoluteShortForm = (area: number, version: number, number: number, service = 0): bigint =>
  (BigInt(area) << 48n) | (BigInt(service) << 32n) | (BigInt(version) << 24n) | BigInt.asUintN(24, BigInt(number));

export function createRegistry(areas: readonly AreaDescriptor[]): Registry {
  const names = new Map<string, AreaType>();
  const ids = new Map<bigint, RegisteredType>();
  const idsByName = new Map<string, bigint>();
  const idsByType = new Map<ConcreteDescriptor, bigint>();
  for (const area of areas) {
    for (const type of area.types) {
      if (!names.has(type.name)) names.set(type.name, type);
      if (type.kind === 'any-attribute' || type.kind === 'abstract') continue;
      const id = absoluteShortForm(area.number, area.version, type.number);
      if (ids.has(id)) throw new RangeError(`type ${type.name} has the number of ${describe(ids.get(id)!)}`);
      ids.set(id, type);
      idsByType.set(type, id);
      if (!idsByName.has(type.name)) idsByName.set(type.name, id);
      const listId = absoluteShortForm(area.number, area.version, -type.number);
      ids.set(listId, { kind: 'list', item: type });
    }
  }

  function idOf(type: RegisteredType): bigint {
    const item = type.kind === 'list' ? type.item : type;
    const id = 'number' in item ? (idsByType.get(item) ?? idsByName.get(item.name)) : undefined;
    if (id === undefined) throw new RangeError(`${describe(type)} has no absolute short form`);
    return type.kind === 'list' ? (id & ~0xffffffn) | BigInt.asUintN(24, -(id & 0xffffffn)) : id;
  }

  return {
    areas,
    byName: (name) => names.get(name),
    byId: (id) => ids.get(id),
    idOf,
    objectTypeId(name) {
      const id = /^0x[0-9a-f]{16}$/.test(name) ? BigInt(name) : idsByName.get(name);
      if (id === undefined) throw new RangeError(`unknown object type ${JSON.stringify(name)}`);
      return id;
    },
    objectTypeName(id) {
      const type = ids.get(id);
      if (type === undefined || type.kind === 'list' || idsByName.get(type.name) !== id) {
        return `0x${BigInt.asUintN(64, id).toString(16).padStart(16, '0')}`;
      }
      return type.name;
    },
    area: (number) => areas.find((area) => area.number === number),
  };
}

const describe = (type: RegisteredType): string => (type.kind === 'list' ? `List<${type.item.name}>` : type.name);
