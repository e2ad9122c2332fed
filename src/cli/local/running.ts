import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { serverAccount } from '../../store/embedded/account.js';
import { SUPERUSER } from '../../store/embedded/connection.js';
import { prepareLayout } from '../../store/embedded/layout.js';
import { isServerOf, readPostmaster } from '../../store/embedded/postmaster.js';

/**
 * Address of the embedded server that a running gateway keeps in `dir`, so that commands such as `keys create` work beside it;
 * null when none runs there.
 */
export function runningServer(dir: string): string | null {
  if (!existsSync(dir)) return null;
  const layout = prepareLayout(realpathSync(dir), serverAccount());
  if (!existsSync(layout.data) || !existsSync(layout.password)) return null;
  const postmaster = readPostmaster(layout.data);
  if (postmaster === undefined || postmaster === null || !isServerOf(postmaster.pid, layout.data)) return null;
  const login = `${SUPERUSER}:${encodeURIComponent(readFileSync(layout.password, 'utf8').trim())}`;
  return `postgresql://${login}@/mpd?host=${encodeURIComponent(layout.sockets)}`;
}
