import { afterEach, beforeEach, expect, it } from 'vitest';
import { isTemporaryName } from '../../../src/gateway/delivery/file-name.js';
import type { DeliveryTarget, PutOptions, SourceBody } from '../../../src/gateway/target.js';
import { DEFAULTS } from './contents.js';
import type { SkippableCapability, TargetHarness, TargetPlace } from './fixture.js';

export type Placed = ReturnType<typeof placed>;

/** A target and a place of its own for each test. */
export function placed(harness: TargetHarness) {
  const { skip = {}, targetCheck = 'verified' } = harness;
  let target: DeliveryTarget;
  let place: TargetPlace;
  beforeEach(async () => {
    target = await harness.create();
    place = await harness.place();
  });
  afterEach(async () => {
    await target.close();
    await place.remove();
  });

  return {
    get target() {
      return target;
    },
    get place() {
      return place;
    },
    targetCheck,
    put: (file: string, body: SourceBody, options: Partial<PutOptions> = {}) =>
      target.put(place.uri, file, body, { ...DEFAULTS, signal: new AbortController().signal, ...options }),
    /** The names of the files that are complete, sorted. */
    visible: async () => (await place.list()).filter((path) => !isTemporaryName(path.split('/').at(-1)!)).sort(),
    expectNothing: async () => expect(await place.list()).toEqual([]),
    /** `it`, skipped with the reason where a capability is missing. */
    needs(capability: SkippableCapability, title: string, work: () => Promise<void>): void {
      const reason = skip[capability];
      if (reason === undefined) it(title, work);
      else it.skip(`${title} (skipped: ${reason})`, work);
    },
  };
}
