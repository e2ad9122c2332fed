import { describe, expect, it } from 'vitest';
import { failure, starter, TRANSPORTS, until } from '../../../test/mal/transports.js';
import { isMalError, malError } from '../errors.js';
import { createConsumer } from './consumer.js';
import { Everything, testArea } from './test-area.js';

const { store, add } = Everything.operations;

describe.each(TRANSPORTS)('%s, $name', (name, encoding) => {
  const start = starter(name, encoding);

  it('what is not offered is refused by the error for it', async () => {
    const { consumer, session, uri } = await start({ add: ({ a }) => ({ sum: a }) });
    const { Everything: service } = testArea.services;
    const wrong = async (area: typeof testArea, to = uri, number: number = service.number): Promise<string> => {
      const other = createConsumer({ session, area, service: { ...service, number }, uri: to });
      return (await failure(other.request(add, { a: 1n, b: null }))).message;
    };
    expect((await failure(consumer.submit(store, { text: '' }))).message).toMatch('Unsupported Operation');
    expect(await wrong({ ...testArea, number: 201 })).toMatch('Unsupported Area: area 201');
    expect(await wrong({ ...testArea, version: 5 })).toMatch('Unsupported Area Version');
    expect(await wrong(testArea, uri, 9)).toMatch('Unsupported Service');
    expect(await wrong(testArea, `${uri}Else`)).toMatch('Destination Unknown: Endpoint not found: EverythingElse');
    expect(await consumer.request(add, { a: 1n, b: null })).toEqual({ sum: 1n });
  });

  it('who may not is told so', async () => {
    const { consumer } = await start(
      { add: ({ a }) => ({ sum: a }) },
      {
        authenticate: () => {
          throw malError('Authorisation Fail', 'not you');
        },
      },
    );
    const error = await failure(consumer.request(add, { a: 1n, b: null }));
    expect(isMalError(error, 'Authorisation Fail')).toBe(true);
    expect(error.extraInformation).toBe('not you');
  });

  it('a provider that stops answers what is under way, and new calls with Shutdown', async () => {
    let answer = (): void => {};
    const { consumer, provider } = await start({
      add: ({ a }) => (a === 1n ? new Promise((resolve) => (answer = () => resolve({ sum: a }))) : { sum: a }),
    });
    const under = consumer.request(add, { a: 1n, b: null });
    await until(() => provider.inFlight === 1);
    const stopped = provider.stop(5000);
    expect(isMalError(await failure(consumer.request(add, { a: 2n, b: null })), 'Shutdown')).toBe(true);
    answer();
    expect(await under).toEqual({ sum: 1n });
    await stopped;
    expect(provider.inFlight).toBe(0);
  });
});
