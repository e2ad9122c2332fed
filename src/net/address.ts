import { isIP } from 'node:net';

/**
 * What an IP address reaches. `link-local` includes the metadata services of cloud providers, `reserved` what is no host at all
 * (unspecified, multicast, broadcast, documentation).
 */
export type AddressKind = 'public' | 'private' | 'loopback' | 'link-local' | 'reserved';

interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

export interface Cidr {
  readonly network: Address;
  readonly prefix: number;
}

/** The first network that holds the address decides. */
const KINDS: readonly (readonly [AddressKind, readonly string[]])[] = [
  [
    'link-local',
    ['169.254.0.0/16', 'fe80::/10', 'fd00:ec2::254/128', 'fd20:ce::254/128', '100.100.100.200/32', '168.63.129.16/32'],
  ],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  [
    'private',
    [
      '10.0.0.0/8',
      '172.16.0.0/12',
      '192.168.0.0/16',
      '100.64.0.0/10',
      '198.18.0.0/15',
      '192.0.0.0/24',
      'fc00::/7',
      'fec0::/10',
    ],
  ],
  [
    'reserved',
    [
      '0.0.0.0/8',
      '192.0.2.0/24',
      '198.51.100.0/24',
      '203.0.113.0/24',
      '224.0.0.0/3',
      '::/128',
      'ff00::/8',
      '2001:db8::/32',
      '100::/64',
    ],
  ],
];
const TABLE = KINDS.flatMap(([kind, texts]) => texts.map((text) => [kind, parseCidr(text)!] as const));

export function addressKind(text: string): AddressKind {
  const address = parseAddress(text);
  if (!address) return 'reserved';
  return TABLE.find(([, network]) => holds(network, address))?.[0] ?? 'public';
}

/** A network in CIDR notation, or a single address; undefined when the text is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const [host, length, ...rest] = text.split('/');
  const plain = parsePlain(host ?? '');
  if (!plain || rest.length > 0) return undefined;
  const prefix = length === undefined ? plain.bits : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  return prefix >= 0 && prefix <= plain.bits ? { network: plain, prefix } : undefined;
}

/** Whether `text` is an address in the network; the IPv4 address inside an IPv6 one counts as itself. */
export function inCidr(cidr: Cidr, text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && holds(cidr, address);
}

/** Whether two texts are the same address. */
export function sameAddress(a: string, b: string): boolean {
  const [left, right] = [parseAddress(a), parseAddress(b)];
  return left !== undefined && right !== undefined && left.bits === right.bits && left.value === right.value;
}

function holds({ network, prefix }: Cidr, { bits, value }: Address): boolean {
  const shift = BigInt(bits - prefix);
  return bits === network.bits && value >> shift === network.value >> shift;
}

/** IPv6 prefixes whose addresses carry an IPv4 address, and how far above the lowest bit: mapped, compatible, NAT64, 6to4. */
const CARRIERS: readonly (readonly [Cidr, bigint])[] = [
  [parseCidr('::ffff:0:0/96')!, 0n],
  [parseCidr('64:ff9b::/96')!, 0n],
  [parseCidr('2002::/16')!, 80n],
];

function parseAddress(text: string): Address | undefined {
  const plain = parsePlain(text);
  if (!plain || plain.bits === 32) return plain;
  const carrier = CARRIERS.find(([network]) => holds(network, plain));
  const compatible = plain.value > 1n && plain.value < 1n << 32n;
  if (!carrier && !compatible) return plain;
  return { bits: 32, value: (plain.value >> (carrier?.[1] ?? 0n)) & 0xffff_ffffn };
}

function parsePlain(text: string): Address | undefined {
  const [address = ''] = text.replace(/^\[|\]$/g, '').split('%');
  const version = isIP(address);
  if (version === 4) return { bits: 32, value: join(address.split('.').map(Number), 8n) };
  if (version !== 6) return undefined;
  // An IPv4 tail becomes two groups.
  const tail = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const hex = tail
    ? address.slice(0, tail.index) +
      [0, 2].map((at) => (Number(tail[at + 1]) * 256 + Number(tail[at + 2])).toString(16)).join(':')
    : address;
  const [head = '', rest] = hex.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const [before, after] = [groups(head), groups(rest ?? '')];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return { bits: 128, value: join([...before, ...zeros, ...after], 16n) };
}

function join(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((value, part) => (value << bits) | BigInt(part), 0n);
}
