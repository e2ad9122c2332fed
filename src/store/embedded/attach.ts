import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { connectionOf, urlOf } from './connection.js';
import { existingLayout } from './layout.js';
import { lockHolder } from './lock.js';

export interface RunningStore {
  readonly url: string;
  /** Process id of the gateway that keeps the server running. */
  readonly gateway: number;
}

/**
 * The embedded server of a gateway that runs on `dir`, for commands beside it; changes nothing. Undefined when no gateway does:
 * then `openStore({ dir })` also takes over a server that a killed gateway left.
 */
export async function attachEmbedded(dir: string): Promise<RunningStore | undefined> {
  if (!existsSync(dir)) return undefined;
  const real = realpathSync(dir);
  const layout = existingLayout(real);
  const gateway = await lockHolder(real);
  if (gateway === undefined || !existsSync(layout.data) || !existsSync(layout.password)) return undefined;
  return { url: urlOf(connectionOf(layout, readFileSync(layout.password, 'utf8').trim())), gateway };
}
