import { join } from 'node:path';
import type { EddsSimulator } from '../../../simulators/edds/index.js';

/** EDDS name of the mission that the demo's stand-in has data of. */
export const MISSION = 'SOL';
const HOUR_MS = 3_600_000;

/**
 * Starts the stand-in for EDDS: 20 telemetry packets a second from three hours ago and onwards, so that live packets and dumps
 * arrive from the start. Its jobs are kept in `root`.
 */
export async function startEdds(root: string, port: number): Promise<EddsSimulator> {
  const { startEddsSimulator } = await import('../../../simulators/edds/index.js');
  return startEddsSimulator({
    port,
    folder: join(root, 'edds'),
    domains: [MISSION],
    times: { start: 50, duration: 100, tick: 50 },
    archive: {
      begin: Date.now() - 3 * HOUR_MS,
      end: null,
      packetInterval: 50_000,
      commandInterval: 10_000_000,
      sampleInterval: 1_000_000,
      files: 5,
    },
  });
}
