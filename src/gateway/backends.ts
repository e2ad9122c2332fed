import { formatObjectRef, type ObjectRef } from '../mal/index.js';
import { MpdError, unknown } from '../mpd/index.js';
import type { Backend } from './backend.js';

/** The backends by domain: the longest prefix owns a reference. */
export interface Backends {
  readonly all: readonly Backend[];
  /** Unknown when no backend owns the domain. */
  route(ref: ObjectRef): Backend;
  find(domain: readonly string[]): Backend | undefined;
  byId(id: string): Backend | undefined;
}

/** @throws MpdError Invalid when two backends claim the same prefix or id */
export function createBackends(all: readonly Backend[]): Backends {
  const owners = new Map<string, Backend>();
  const ids = new Map<string, Backend>();
  for (const backend of all) {
    if (ids.has(backend.id)) throw overlap(`two backends are called ${backend.id}`);
    ids.set(backend.id, backend);
    for (const domain of backend.domains) {
      const other = owners.get(JSON.stringify(domain));
      if (other) throw overlap(`${other.id} and ${backend.id} both own [${domain.join(', ')}]`);
      owners.set(JSON.stringify(domain), backend);
    }
  }
  const find = (domain: readonly string[]): Backend | undefined => {
    for (let length = domain.length; length >= 0; length--) {
      const owner = owners.get(JSON.stringify(domain.slice(0, length)));
      if (owner) return owner;
    }
    return undefined;
  };
  return {
    all,
    find,
    byId: (id) => ids.get(id),
    route(ref) {
      const backend = find(ref.domain);
      if (!backend) throw unknown([0], `${formatObjectRef(ref)}: no backend owns this domain`);
      return backend;
    },
  };
}

const overlap = (reason: string): MpdError =>
  new MpdError('Invalid', {
    class: 'refuse',
    field: 'backends',
    message: `backends: ${reason}`,
    extraInformation: reason,
  });
