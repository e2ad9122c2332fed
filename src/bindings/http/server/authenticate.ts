import type { Request } from 'express';
import type { Gateway, Principal } from '../../../gateway/api.js';
import { isMpdError, MpdError } from '../../../mpd/index.js';
import type { Access } from '../route.js';
import type { RateLimits } from './limits.js';

export interface Identity {
  readonly principal: Principal;
  /** Whether the key still holds. */
  readonly stillAllowed: () => Promise<boolean>;
}

/** Nobody: for routes that are open. */
export const ANYBODY: Identity = {
  principal: { id: '', role: 'consumer', policy: { any: [] } },
  stillAllowed: async () => true,
};

/** The principal of `Authorization: Bearer`. @throws MpdError Authentication Failed, Authorisation Fail; HttpFault 429 */
export async function authenticate(req: Request, gateway: Gateway, limits: RateLimits): Promise<Identity> {
  await limits.beforeKey(req);
  const key = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(req.headers.authorization ?? '')?.[1];
  if (key === undefined) {
    const message =
      req.headers.authorization === undefined
        ? 'Authorization: send "Bearer KEY" with an API key'
        : 'Authorization: expected "Bearer KEY"';
    throw new MpdError('Authentication Failed', { class: 'refuse', message, field: 'Authorization' });
  }
  try {
    const principal = await gateway.access.authenticate(key);
    return { principal, stillAllowed: () => holds(gateway, key) };
  } catch (error) {
    if (isMpdError(error, 'Authentication Failed')) await limits.keyRefused(req);
    throw error;
  }
}

async function holds(gateway: Gateway, key: string): Promise<boolean> {
  try {
    await gateway.access.authenticate(key);
    return true;
  } catch (error) {
    if (isMpdError(error, 'Authentication Failed') || isMpdError(error, 'Authorisation Fail')) return false;
    throw error;
  }
}

/** @throws MpdError Authorisation Fail */
export function requireRole(access: Access, { role }: Principal): void {
  if (access === 'operator' && role === 'consumer') {
    throw new MpdError('Authorisation Fail', { class: 'refuse', message: 'for operators only' });
  }
}
