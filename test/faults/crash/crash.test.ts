import { describe, expect, it } from 'vitest';
import { crash } from './harness.js';

const clean = { lost: 0, falselyVerified: 0, partial: 0, wrong: 0, duplicates: 0, details: [] };

describe('kill -9', () => {
  it('of gateway, database and both, at random and at named points, 25 times: nothing lost, repeated or partial', async () => {
    expect(await crash({ kills: 25, seed: 20, gateways: 1 })).toEqual({ ...clean, kills: 25 });
  }, 600_000);

  it('of either of two gateways on one database: the other goes on, nothing lost or repeated', async () => {
    expect(await crash({ kills: 8, seed: 7, gateways: 2 })).toEqual({ ...clean, kills: 8 });
  }, 600_000);
});
