import { BlockList, isIP } from 'node:net';
import type { GatewayConfig } from './schema.js';

interface Found {
  readonly path: readonly PropertyKey[];
  readonly reason: string;
}

/** What no single field can tell: names that must exist or be unique, domains that must not overlap. */
export function checkWhole(config: GatewayConfig): readonly Found[] {
  return [
    ...unique(
      config.backends.map(({ id }) => id),
      'backends',
      'id',
    ),
    ...unique(
      config.access.principals.map(({ id }) => id),
      'access.principals',
      'id',
    ),
    ...overlaps(config),
    ...backendKeys(config),
    ...accessRules(config),
    ...listeners(config),
  ];
}

function* unique(ids: readonly string[], list: string, field: string): Generator<Found> {
  for (const [index, id] of ids.entries()) {
    const first = ids.indexOf(id);
    if (first < index)
      yield { path: [...list.split('.'), index, field], reason: `"${id}" is already used by ${list}[${first}]` };
  }
}

function* overlaps({ backends }: GatewayConfig): Generator<Found> {
  const owned: { readonly id: string; readonly prefix: readonly string[] }[] = [];
  for (const [index, backend] of backends.entries()) {
    if (!backend.enabled) continue;
    for (const prefix of backend.domains) {
      const other = owned.find(({ prefix: taken }) => overlapping(taken, prefix));
      const path = ['backends', index, 'domain'];
      if (other)
        yield {
          path,
          reason: `${text(prefix)} overlaps ${text(other.prefix)} of backend "${other.id}"; the domains of backends must be disjoint`,
        };
      if (prefix.includes('*'))
        yield { path, reason: `${text(prefix)} holds "*"; a backend always owns everything below its domain` };
      owned.push({ id: backend.id, prefix });
    }
  }
}

/** `[]` is what is left over, so it only collides with another `[]`. */
function overlapping(a: readonly string[], b: readonly string[]): boolean {
  if (a.length === 0 || b.length === 0) return a.length === b.length;
  const length = Math.min(a.length, b.length);
  return a.slice(0, length).every((part, index) => part === b[index]);
}

const text = (domain: readonly string[]): string => `[${domain.join(', ')}]`;

function* backendKeys({ backends }: GatewayConfig): Generator<Found> {
  for (const [index, { kind, module, path }] of backends.entries()) {
    if (kind === 'module' && module === undefined)
      yield {
        path: ['backends', index, 'module'],
        reason: 'is needed for kind module: the file that exports createBackend',
      };
    if (kind !== 'module' && module !== undefined)
      yield { path: ['backends', index, 'module'], reason: `only goes with kind module, not ${kind}` };
    if (kind === 'archive' && typeof path !== 'string')
      yield { path: ['backends', index, 'path'], reason: 'is needed for kind archive: the folder of products' };
  }
}

function* accessRules({ access }: GatewayConfig): Generator<Found> {
  const known = new Set(access.principals.map(({ id }) => id));
  const unknown = (id: string): string => `"${id}" is not one of access.principals (${[...known].join(', ')})`;
  for (const [index, rule] of access.mal.entries()) {
    if (!known.has(rule.principal))
      yield { path: ['access', 'mal', index, 'principal'], reason: unknown(rule.principal) };
    if (!isCidr(rule.cidr))
      yield {
        path: ['access', 'mal', index, 'cidr'],
        reason: `"${rule.cidr}" is no network such as 10.1.0.0/16 or ::1/128`,
      };
    if (rule.authId !== undefined && !/^([0-9a-f]{2})+$/i.test(rule.authId))
      yield { path: ['access', 'mal', index, 'authId'], reason: 'must be pairs of hex digits' };
  }
}

/** Whether `value` is `address/bits`, or an address alone. */
export function isCidr(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return false;
  try {
    new BlockList().addSubnet(
      address,
      bits === undefined ? (version === 4 ? 32 : 128) : Number(bits),
      version === 4 ? 'ipv4' : 'ipv6',
    );
    return true;
  } catch {
    return false;
  }
}

function* listeners({ listen }: GatewayConfig): Generator<Found> {
  const taken = new Map<string, string>();
  for (const [name, listener] of Object.entries({
    http: listen.http.enabled ? listen.http : undefined,
    maltcp: listen.maltcp,
    malhttp: listen.malhttp,
  })) {
    if (listener === undefined || listener.port === 0) continue;
    const address = `${listener.host}:${listener.port}`;
    const other = taken.get(address);
    if (other !== undefined)
      yield { path: ['listen', name, 'port'], reason: `${listener.port} is already used by listen.${other}` };
    taken.set(address, name);
  }
}
