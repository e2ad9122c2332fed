import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EddsSimulator } from '../../simulators/edds/index.js';
import { isMpdError } from '../../src/mpd/index.js';
import type { TestStore } from '../../src/store/testing.js';
import type { EddsTables } from './tables.js';
import { eddsStore, openEdds, openSimulator } from './testing.js';
import { bytesOf, hour, listAll, WINDOW } from './testing-queries.js';

describe('what goes wrong on the way to EDDS', () => {
  let store: TestStore<EddsTables>;
  let simulator: EddsSimulator;
  beforeAll(async () => {
    store = await eddsStore();
    simulator = await openSimulator();
  });
  afterAll(async () => {
    await store?.close();
    await simulator?.stop();
  });
  const reason = async (config: Record<string, unknown>): Promise<string> => {
    const opened = await openEdds(store, simulator, config);
    try {
      const health = await opened.backend.check();
      expect(health.ok).toBe(false);
      return health.reason;
    } finally {
      await opened.close();
    }
  };

  it('is said in words that an operator understands, without the password', async () => {
    const wrong = await reason({ id: 'p', password: 'hidden-9' });
    expect(wrong).toContain('EDDS refuses user or password of the gateway: user or password is wrong');
    expect(wrong).not.toContain('hidden-9');
    expect(await reason({ id: 'u', wsdl: 'http://127.0.0.1:9/x?wsdl' })).toMatch(/127\.0\.0\.1:9.*ECONNREFUSED/);
    expect(await reason({ id: 'w', wsdl: simulator.url })).toContain('cannot be used');
    expect(await reason({ id: 'o', site: { operations: { list: 'noSuchOperation' } } })).toBe(
      'the WSDL of EDDS lacks noSuchOperation (site.operations.list): adapt the site profile',
    );
    const site = {
      requests: { batch: { begin: 'request.TimeRange.Start' } },
      responses: { status: { state: 'Phase' } },
      service: 'EddsService',
      port: 'EddsPort',
    };
    expect(await reason({ id: 's', site })).toBe(
      'the WSDL of EDDS lacks request.TimeRange.Start (site.requests.batch.begin), status.Phase (site.responses.status.state): adapt the site profile',
    );
  });

  it('keeps the text of the fault as the cause', async () => {
    const opened = await openEdds(store, simulator, { id: 'm', mission: 'BC', username: 'solo', password: 'solo' });
    try {
      await expect(opened.backend.upstream!.list()).resolves.toEqual([]);
      const listed = await openEdds(store, simulator, { id: 'n' });
      await listed.backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(20_000) });
      const [entry] = await listAll(listed.backend, { content: WINDOW, filter: hour('PktTmRaw') });
      const denied = await openEdds(store, simulator, { id: 'n', mission: 'MARS', catalogue: 3_600_000 });
      await expect(bytesOf(denied.backend, entry!)).rejects.toSatisfy(
        (error) =>
          isMpdError(error, 'Authorisation Fail') &&
          error.class === 'refuse' &&
          (error.cause as Error).message === 'domain MARS is not granted',
      );
      await denied.close();
      await listed.close();
    } finally {
      await opened.close();
    }
  });

  it('is refused at once when the configuration cannot be right', async () => {
    await expect(openEdds(store, simulator, { site: { last: 'never' } })).rejects.toSatisfy(
      (error) => isMpdError(error, 'Invalid') && error.message.includes('site.last'),
    );
    await expect(openEdds(store, simulator, { wdsl: 'x' })).rejects.toThrow(/wdsl/);
  });

  it('windows longer than allowed are refused', async () => {
    const opened = await openEdds(store, simulator, { id: 'l', maxWindow: '10m' });
    await opened.backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(20_000) });
    const [entry] = await listAll(opened.backend, { filter: hour('PktTmRaw') });
    await expect(bytesOf(opened.backend, entry!)).rejects.toThrow(/ask for a shorter window/);
    await opened.close();
  });
});
