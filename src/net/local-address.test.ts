import { expect, it } from 'vitest';
import { localAddress } from './local-address.js';

it('is where a provider finds the consumer', async () => {
  expect(await localAddress('malhttp://127.0.0.1:9')).toBe('127.0.0.1');
  expect(await localAddress('malhttp://name.that.is.none.invalid:9')).toBe('127.0.0.1');
});
