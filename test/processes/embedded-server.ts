import { startEmbedded } from '../../src/store/embedded/server.js';
import { silentLog } from '../../src/store/log.js';

/** Starts the server of a folder, tells the parent about it and stays. */
const [dir, kind] = process.argv.slice(2);
try {
  const server = await startEmbedded({ dir: dir!, log: silentLog, ephemeral: kind === 'ephemeral' });
  process.send?.({ pid: server.pid(), url: server.url });
  setInterval(() => undefined, 60_000);
} catch (error) {
  process.send?.({ error: (error as Error).message });
  process.disconnect();
}
