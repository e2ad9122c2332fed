import { describe, expect, it } from 'vitest';
import type { Principal } from '../../gateway/api.js';
import type { MessageHeader } from '../../mal/index.js';
import { MpdError } from '../../mpd/index.js';
import { createPrincipals } from './principals.js';

const access = (asked: string[] = [], refused = new Set<string>()) => ({
  async principal(id: string): Promise<Principal> {
    asked.push(id);
    if (refused.has(id)) throw new MpdError('Authorisation Fail', { class: 'refuse', message: `${id} is disabled` });
    return { id, role: 'consumer', policy: null };
  },
});
const request = (address: string, authenticationId = '') => ({
  header: { authenticationId: Buffer.from(authenticationId, 'hex') } as unknown as MessageHeader,
  peer: { address, port: 1, secure: false },
});

describe('principals by network', () => {
  const rules = [
    { cidr: '10.1.0.0/16', principal: 'net', user: 'must-equal' },
    { cidr: '0.0.0.0/0', authId: 'BEEF', principal: 'badge', user: 'must-equal' },
    { cidr: '10.0.0.0/8', principal: 'wide', user: 'asserted' },
    { cidr: '::1', principal: 'six', user: 'must-equal' },
  ] as const;

  it.each([
    ['10.1.2.3', '', 'net'],
    ['10.2.0.1', '', 'wide'],
    ['10.2.0.1', 'beef', 'badge'],
    ['192.0.2.1', 'beef', 'badge'],
    ['::1', '', 'six'],
  ])('%s with authentication id "%s" is %s', async (address, authId, id) => {
    const { principal } = await createPrincipals(access(), rules).authenticate(request(address, authId));
    expect(principal.id).toBe(id);
  });

  it.each(['192.0.2.1', '::2', ''])('%s is nobody', async (address) => {
    await expect(createPrincipals(access(), rules).authenticate(request(address))).rejects.toMatchObject({
      number: 65542,
    });
  });

  it('takes the word of a network for a user only where the rule says so', async () => {
    const principals = createPrincipals(access(), rules);
    expect(await principals.authenticate(request('10.1.0.1'))).toMatchObject({ mustEqual: true });
    expect(await principals.authenticate(request('10.2.0.1'))).toMatchObject({
      mustEqual: false,
      principal: { assertsUser: true },
    });
  });

  it('asks the store again after a second, and no more often; a refusal is not kept', async () => {
    let now = 0;
    const asked: string[] = [];
    const refused = new Set<string>();
    const principals = createPrincipals(access(asked, refused), rules, () => now);
    for (let i = 0; i < 5; i++) await principals.authenticate(request('10.1.0.1'));
    expect(asked).toEqual(['net']);
    refused.add('net');
    now = 1001;
    await expect(principals.authenticate(request('10.1.0.1'))).rejects.toMatchObject({ code: 'Authorisation Fail' });
    expect(await principals.current('net')).toBeNull();
    refused.clear();
    expect(await principals.current('net')).toMatchObject({ id: 'net' });
  });

  it('refuses a rule that is no network', () => {
    expect(() => createPrincipals(access(), [{ ...rules[0], cidr: '10.1/99' }])).toThrow('access.mal[0].cidr');
  });
});
