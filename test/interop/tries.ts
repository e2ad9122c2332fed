import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';

/**
 * How often a test with ESA's stack may be tried. Its malhttp takes two messages that come together for one another or drops one,
 * even between two of its own peers; nothing that we send can prevent it. Over maltcp it loses nothing.
 */
export const triesWith = (transport: 'maltcp' | 'malhttp'): { readonly retry: number } => ({
  retry: transport === 'malhttp' ? 6 : 0,
});

/** Sets up once for all tests of a suite, and anew after one that failed: what is left of it disturbs no other. */
export function setUpAfterFailures(setUp: () => Promise<void>, tearDown: () => Promise<void>): void {
  let failed = false;
  beforeAll(setUp, 120_000);
  beforeEach(async () => {
    if (!failed) return;
    failed = false;
    await tearDown();
    await setUp();
  }, 120_000);
  afterEach(({ task }) => {
    failed = task.result?.state === 'fail';
  });
  afterAll(tearDown);
}
