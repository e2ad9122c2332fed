import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AddressKind, addressKind, inCidr, parseCidr, sameAddress } from './address.js';

describe('addressKind', () => {
  const cases: readonly (readonly [AddressKind, readonly string[]])[] = [
    [
      'public',
      [
        '8.8.8.8',
        '172.15.255.255',
        '172.32.0.1',
        '169.253.0.1',
        '100.63.0.1',
        '100.128.0.1',
        '2a00:1450::1',
        '64:ff9b::808:808',
      ],
    ],
    [
      'private',
      [
        '10.0.0.1',
        '172.16.0.1',
        '172.31.255.255',
        '192.168.1.1',
        '100.64.0.1',
        'fc00::1',
        'fdff::1',
        '64:ff9b::10.0.0.1',
      ],
    ],
    ['private', ['2002:0a00:0001::1', '2002:c0a8:0101::']],
    [
      'loopback',
      ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::127.0.0.1', '64:ff9b::7f00:1'],
    ],
    [
      'link-local',
      [
        '169.254.169.254',
        '169.254.0.1',
        'fe80::1',
        'fe80::1%eth0',
        'febf::1',
        '::ffff:169.254.169.254',
        '2002:a9fe:a9fe::1',
      ],
    ],
    ['link-local', ['fd00:ec2::254', '100.100.100.200', '168.63.129.16']],
    [
      'reserved',
      ['0.0.0.0', '::', '224.0.0.1', '255.255.255.255', '240.0.0.1', 'ff02::1', '::ffff:0.0.0.0', 'no address'],
    ],
  ];
  it.each(cases.flatMap(([kind, texts]) => texts.map((text) => [text, kind] as const)))('%s is %s', (text, kind) => {
    expect(addressKind(text)).toBe(kind);
  });
});

describe('networks', () => {
  it('hold what shares their prefix, and nothing else', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (network, address, prefix) => {
        const bits = (text: string) =>
          text
            .split('.')
            .map((part) => Number(part).toString(2).padStart(8, '0'))
            .join('');
        const expected = bits(network).slice(0, prefix) === bits(address).slice(0, prefix);
        expect(inCidr(parseCidr(`${network}/${prefix}`)!, address)).toBe(expected);
        expect(inCidr(parseCidr(`${network}/${prefix}`)!, `::ffff:${address}`)).toBe(expected);
      }),
    );
  });

  it('hold IPv6 addresses in any spelling', () => {
    expect(inCidr(parseCidr('2a00:1450:4000::/35')!, '2A00:1450:5fff:0:0:0:0:1')).toBe(true);
    expect(inCidr(parseCidr('2a00:1450:4000::/35')!, '2a00:1450:6000::1')).toBe(false);
    expect(sameAddress('[2a00::1]', '2a00:0:0:0:0:0:0:1')).toBe(true);
    expect(sameAddress('10.0.0.1', '::ffff:a00:1')).toBe(true);
    expect(sameAddress('host', 'host')).toBe(false);
  });

  it.each(['', 'host', '10.0.0.0/33', '10.0.0.0/', '10.0.0/8', '::/129', '10.0.0.0/8/8', '10.0.0.0/-1'])(
    '%j is none',
    (text) => {
      expect(parseCidr(text)).toBeUndefined();
    },
  );
});
