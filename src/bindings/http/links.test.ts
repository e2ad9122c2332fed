import { expect, it } from 'vitest';
import { product } from '../../../test/http/fake-gateway.js';
import type { ProductMetadata } from '../../mpd/index.js';
import { createLinks } from './links.js';

let now = 1_800_000_000n * 1_000_000_000n;
const make = (over = {}) =>
  createLinks({
    publicUrl: 'https://mpd.example.int/',
    secret: 's'.repeat(32),
    lifetimeSeconds: 3600,
    clock: () => now,
    ...over,
  });
const { metadata } = product('a b/ü#1.pkt', 'x');
const parts = (link: string) => {
  const url = new URL(link);
  const query = {
    as: url.searchParams.get('as'),
    expires: url.searchParams.get('expires'),
    sig: url.searchParams.get('sig'),
  };
  return { path: url.pathname.slice('/dl/'.length), query, url };
};

it('a signed link stands for its principal until it expires', () => {
  const links = make();
  const { path, query, url } = parts(links.signed(metadata.productRef, 'partner-a')!);
  expect(url.href.startsWith('https://mpd.example.int/dl/local/1/a%20b/%C3%BC%231.pkt?')).toBe(true);
  expect(links.verify(path, query)).toBe('partner-a');
  const lifetime = Number(query.expires) - Number(now / 1_000_000_000n);
  expect(lifetime).toBeGreaterThanOrEqual(3600);
  expect(lifetime).toBeLessThan(3600 + 360);
  const later = make({ clock: () => now + 4000n * 1_000_000_000n });
  expect(() => later.verify(path, query)).toThrow('expired');
});

it.each([
  ['principal', (q: Query) => ({ ...q, as: 'ops' })],
  ['expiry', (q: Query) => ({ ...q, expires: String(Number(q.expires) + 1) })],
  ['signature', (q: Query) => ({ ...q, sig: `${q.sig!.slice(0, -2)}AA` })],
  ['signature cut', (q: Query) => ({ ...q, sig: q.sig!.slice(0, 8) })],
])('an altered %s is refused', (_what, alter) => {
  const { path, query } = parts(make().signed(metadata.productRef, 'partner-a')!);
  expect(() => make().verify(path, alter(query))).toThrow('altered');
});
type Query = ReturnType<typeof parts>['query'];

it('an altered path or another secret is refused', () => {
  const { path, query } = parts(make().signed(metadata.productRef, 'partner-a')!);
  expect(() => make().verify(path.replace('a%20b', 'c'), query)).toThrow('altered');
  expect(() => make({ secret: 'z'.repeat(32) }).verify(path, query)).toThrow('altered');
});

it('without public URL or secret there are no links, and nothing that is not of the web gets out', () => {
  const withUri = (externalURI: string | null): ProductMetadata => ({ ...metadata, externalURI });
  const none = make({ secret: null });
  expect(none.signed(metadata.productRef, 'x')).toBeNull();
  expect(make({ publicUrl: null }).signed(metadata.productRef, 'x')).toBeNull();
  expect(none.withExternalUri(withUri('s3://bucket/key'), 'x').externalURI).toBeNull();
  expect(none.withExternalUri(withUri('https://archive.example/x'), 'x').externalURI).toBe('https://archive.example/x');
  expect(make().withExternalUri(withUri('s3://bucket/key'), 'x').externalURI).toMatch(
    /^https:\/\/mpd\.example\.int\/dl\//,
  );
});

it('lists made shortly after each other hold the same links', () => {
  now = 1_800_000_001n * 1_000_000_000n;
  const first = make().signed(metadata.productRef, 'x');
  now += 1_000_000_000n;
  expect(make().signed(metadata.productRef, 'x')).toBe(first);
});
