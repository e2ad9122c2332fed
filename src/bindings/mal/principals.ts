import { BlockList, isIP } from 'node:net';
import type { Access, Principal } from '../../gateway/api.js';
import { type MessageHeader, malError, type Peer } from '../../mal/index.js';
import { invalid, isMpdError } from '../../mpd/index.js';
import type { MalRule } from './config.js';

/** Who calls over MAL: a principal by its network, and whether the network vouches for the user it names. */
export interface MalCaller {
  readonly principal: Principal;
  /** `user` of an order must be the principal. */
  readonly mustEqual: boolean;
}

export interface MalPrincipals {
  /** @throws MalError Authentication Failed when no rule fits; MpdError Authorisation Fail for an unknown or disabled principal */
  authenticate(request: { readonly header: MessageHeader; readonly peer: Peer }): Promise<MalCaller>;
  /** A principal as it is now: roles and policies change, keys do not tell. Null when it is gone or disabled. */
  current(id: string): Promise<Principal | null>;
}

interface Compiled {
  readonly fits: (address: string, authenticationId: string) => boolean;
  readonly rule: MalRule;
}

interface Known {
  readonly until: number;
  readonly principal: Promise<Principal>;
}

/** How old what is known of a principal may be. */
const FRESH_MS = 1000;
/** Peers whose rule is remembered. */
const KNOWN_PEERS = 1000;

/** @throws MpdError Invalid naming the rule that is no network */
export function createPrincipals(
  access: Pick<Access, 'principal'>,
  rules: readonly MalRule[],
  now: () => number = Date.now,
): MalPrincipals {
  const compiled = rules.map(compileRule);
  const known = new Map<string, Known>();
  const ruled = new Map<string, MalRule | null>();

  function find(id: string, asserted: boolean): Promise<Principal> {
    const name = `${asserted} ${id}`;
    const before = known.get(name);
    if (before !== undefined && before.until > now()) return before.principal;
    const principal = access.principal(id).then((found) => (asserted ? { ...found, assertsUser: true } : found));
    known.set(name, { until: now() + FRESH_MS, principal });
    principal.catch(() => known.delete(name));
    return principal;
  }

  function ruleFor(address: string, authenticationId: string): MalRule | null {
    const peer = `${address} ${authenticationId}`;
    const before = ruled.get(peer);
    if (before !== undefined) return before;
    const rule = compiled.find(({ fits }) => fits(address, authenticationId))?.rule ?? null;
    if (ruled.size >= KNOWN_PEERS) ruled.clear();
    ruled.set(peer, rule);
    return rule;
  }

  return {
    async authenticate({ header, peer }) {
      const authenticationId = Buffer.from(header.authenticationId).toString('hex');
      const rule = ruleFor(peer.address, authenticationId);
      if (rule === null) {
        throw malError('Authentication Failed', `no rule of access.mal lets ${peer.address || 'this peer'} in`);
      }
      const asserted = rule.user === 'asserted';
      return { principal: await find(rule.principal, asserted), mustEqual: !asserted };
    },
    async current(id) {
      try {
        return await find(id, false);
      } catch (error) {
        if (isMpdError(error, 'Authorisation Fail')) return null;
        throw error;
      }
    },
  };
}

function compileRule(rule: MalRule, i: number): Compiled {
  const [network = '', bits = ''] = rule.cidr.split('/');
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  try {
    if (bits === '') list.addAddress(network, family);
    else list.addSubnet(network, Number(bits), family);
  } catch (error) {
    throw invalid(`access.mal[${i}].cidr`, `${JSON.stringify(rule.cidr)} is no network`, error);
  }
  const authId = rule.authId?.toLowerCase();
  return {
    rule,
    fits: (address, given) =>
      isIP(address) !== 0 &&
      list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') &&
      (authId === undefined || authId === given),
  };
}
