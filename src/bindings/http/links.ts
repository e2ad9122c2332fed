import { createHmac, timingSafeEqual } from 'node:crypto';
import { referencePath } from '../../client/http/wire/index.js';
import type { ObjectRef } from '../../mal/index.js';
import { MpdError, type ProductMetadata } from '../../mpd/index.js';

export interface LinkOptions {
  /** Without a trailing slash is fine. */
  readonly publicUrl: string | null;
  readonly secret: string | null;
  readonly lifetimeSeconds: number;
  /** ns since 1970 UTC. */
  readonly clock: () => bigint;
}

/** Addresses of products. Signed links stand for a principal: its policy holds when they are followed, and they end when it is disabled. */
export interface Links {
  /** `{base}/api/v1/products/…`, absolute when a public URL is set. */
  product(ref: ObjectRef): { readonly self: string; readonly body: string };
  /** An expiring link that needs no key; null without public URL or secret. */
  signed(ref: ObjectRef, principal: string): string | null;
  /** The metadata with our link as externalURI, and never an address that is none of the web. */
  withExternalUri(metadata: ProductMetadata, principal: string): ProductMetadata;
  /** The principal a signed link stands for. @throws MpdError Authorisation Fail: altered or expired */
  verify(
    path: string,
    query: { readonly as: string | null; readonly expires: string | null; readonly sig: string | null },
  ): string;
}

export function createLinks({ publicUrl, secret, lifetimeSeconds, clock }: LinkOptions): Links {
  const base = publicUrl?.replace(/\/+$/, '') ?? '';
  const seconds = (): number => Number(clock() / 1_000_000_000n);
  const sign = (key: string, path: string, as: string, expires: string): Buffer =>
    createHmac('sha256', key)
      .update(JSON.stringify([path, as, expires]))
      .digest();

  function signed(ref: ObjectRef, principal: string): string | null {
    if (publicUrl === null || secret === null) return null;
    const path = referencePath(ref);
    // Rounded up to a tenth of the lifetime, so that lists of the same products are the same bytes for a while.
    const step = Math.max(1, Math.floor(lifetimeSeconds / 10));
    const expires = String(Math.ceil((seconds() + lifetimeSeconds) / step) * step);
    const query = new URLSearchParams({
      as: principal,
      expires,
      sig: sign(secret, path, principal, expires).toString('base64url'),
    });
    return `${base}/dl/${path}?${query}`;
  }

  return {
    product(ref) {
      const path = referencePath(ref);
      return { self: `${base}/api/v1/products/${path}`, body: `${base}/api/v1/bodies/${path}` };
    },
    signed,
    withExternalUri(metadata, principal) {
      const ours = signed(metadata.productRef, principal);
      const given = metadata.externalURI;
      const externalURI = ours ?? (given !== null && /^https?:\/\//i.test(given) ? given : null);
      return externalURI === given ? metadata : { ...metadata, externalURI };
    },
    verify(path, { as, expires, sig }) {
      const fail = (message: string): never => {
        throw new MpdError('Authorisation Fail', { class: 'refuse', message });
      };
      if (secret === null || as === null || expires === null || sig === null) return fail('the link is not signed');
      const given = Buffer.from(sig, 'base64url');
      const right = sign(secret, path, as, expires);
      if (given.length !== right.length || !timingSafeEqual(given, right)) return fail('the link was altered');
      if (!/^\d{1,12}$/.test(expires) || Number(expires) < seconds())
        return fail('the link has expired; list the product again');
      return as;
    },
  };
}
