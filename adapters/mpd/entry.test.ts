import { describe, expect, it } from 'vitest';
import { product } from '../../test/interop/products.js';
import { remoteOf, revisionOf } from './entry.js';

const { productMetadata: given } = product('a', { domain: ['test', 'alpha'] });
const file = { updateDate: 5n, mime: 'text/plain', fileSize: 3n };

describe('products of another provider', () => {
  it('are kept only below the domains of the backend, and where the store can keep them', () => {
    expect(remoteOf(given, [['test']])).not.toBeNull();
    expect(remoteOf(given, [['other'], ['test', 'alpha']])).not.toBeNull();
    expect(remoteOf(given, [[]])).not.toBeNull();
    expect(remoteOf(given, [['test', 'beta']])).toBeNull();
    expect(remoteOf({ ...given, description: 'NUL \0' }, [['test']])).toBeNull();
  });

  it('have a revision that changes with their content as far as the provider tells', () => {
    const checksum = new Uint8Array([1, 2]);
    expect(revisionOf({ ...given, checksum })).toBe(revisionOf({ ...given, checksum, fileMetadata: file }));
    expect(revisionOf({ ...given, checksum })).not.toBe(revisionOf({ ...given, checksum: new Uint8Array([3]) }));
    const changed = [
      { ...given, productRef: { ...given.productRef, version: 2 } },
      { ...given, creationDate: given.creationDate + 1n },
      { ...given, fileMetadata: file },
      { ...given, fileMetadata: { ...file, fileSize: 4n } },
      { ...given, fileMetadata: { ...file, updateDate: 6n } },
    ];
    expect(new Set([given, ...changed].map(revisionOf)).size).toBe(changed.length + 1);
    expect(revisionOf({ ...given, description: 'another' })).toBe(revisionOf(given));
  });

  it('are the same when only their link was signed anew', () => {
    const linked = (externalURI: string) => remoteOf({ ...given, externalURI }, [['test']])!.digest;
    expect(linked('https://x.int/dl/a?expires=1')).toBe(linked('https://x.int/dl/a?expires=2'));
    expect(linked('https://x.int/dl/a')).not.toBe(linked('https://x.int/dl/b'));
  });
});
