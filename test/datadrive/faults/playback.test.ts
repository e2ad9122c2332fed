import { expect } from 'vitest';
import type { FaultName, FaultValues } from '../../../simulators/datadrive/index.js';
import { type Act, faultFamily } from './stage.js';

interface Page {
  readonly results?: readonly Readonly<Record<string, unknown>>[];
  readonly total?: number;
  readonly marker?: string;
}

/** Files while playback is broken: what it answers shows that it is, and the gateway never asks it. */
function broken<Name extends FaultName>(
  name: Name,
  value: FaultValues[Name],
  shows: (status: number, page: Page, next: Page) => void,
): Act {
  return {
    async play(scene) {
      scene.dd.setFault(name, value);
      for (let n = 1; n <= 3; n++) await scene.put(`f${n}.bc`);
      await scene.settled(3);
      expect(scene.dd.log().filter(({ path }) => path.includes('playback'))).toEqual([]);
      scene.note('playback was never asked');
      const headers = { cookie: scene.dd.cookie('user-a'), 'content-type': 'application/json' };
      const ask = async (marker?: string): Promise<{ readonly status: number; readonly page: Page }> => {
        const window = { start_time: 0, end_time: Date.now() + 60_000, all_pkg: true };
        const body = JSON.stringify({ ...window, ...(marker && { pagination_marker: marker }) });
        const answer = await fetch(`${scene.dd.url}/api/playback/v2`, { method: 'POST', headers, body });
        return { status: answer.status, page: (await answer.json()) as Page };
      };
      const first = await ask();
      const second = await ask(first.page.marker);
      shows(first.status, first.page, second.page);
      // The next scene looks at the same log.
      scene.dd.log().length > 0 && (scene.dd.log() as unknown[]).splice(0);
    },
  };
}

await faultFamily('playback', () => ({ main: () => ({}) }), {
  totalPlus: broken('totalPlus', 1, (_, { total }) => expect(total).toBeGreaterThanOrEqual(4)),
  emptyPageEarly: broken('emptyPageEarly', 2, (_, first, next) =>
    expect([first.results?.length, next.results?.length]).toEqual([2, 0]),
  ),
  noMarker: broken('noMarker', true, (_, page) => expect(page).not.toHaveProperty('marker')),
  playbackStatus: broken('playbackStatus', 503, (status) => expect(status).toBe(503)),
  rowsWithoutName: broken('rowsWithoutName', true, (_, { results }) =>
    expect(results?.[0]).not.toHaveProperty('ocs_full_name'),
  ),
});
