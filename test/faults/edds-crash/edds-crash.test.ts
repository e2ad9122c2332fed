import { describe, expect, it } from 'vitest';
import { eddsCrash } from './harness.js';

describe('kill -9 with EDDS', () => {
  it('of gateway, simulator and both, with lost answers and expired tokens: every packet once, no request twice', async () => {
    const { packets, requests, ...verdict } = await eddsCrash({ kills: 6, seed: 5 });
    expect(verdict).toEqual({
      kills: 6,
      lost: 0,
      doubled: 0,
      wrong: 0,
      unsettled: 0,
      submittedTwice: 0,
      details: [],
    });
    expect(packets).toBeGreaterThan(100);
    expect(requests).toBeGreaterThan(2);
  }, 600_000);
});
