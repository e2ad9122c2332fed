import { type Recipe, recipes, type ServiceName } from './catalogue.js';
import { startContainer } from './container.js';
import { ensureKeeper } from './keeper.js';
import { withLock } from './lock.js';
import { isAlive } from './processes.js';
import { type Running, readRunning, registerUser, type Service, writeRunning } from './state.js';

/**
 * A running server of this kind: the one the environment names, else one that an earlier test started, else a new one. It is
 * shared by the whole run (make names of your own with `unique`) and stopped some seconds after the run has ended.
 * Throws with the reason when it cannot be had.
 */
export async function service(name: ServiceName): Promise<Service> {
  const recipe: Recipe = recipes[name];
  const given = process.env[recipe.environment];
  if (given) return fromEnvironment(name, given);
  await withLock('users', async () => {
    registerUser();
    ensureKeeper();
  });
  return withLock(name, async () => {
    const running = readRunning(name);
    if (running && (await isUsable(recipe, running))) return running.service;
    const started = (await startContainer(name, recipe).catch(() => undefined)) ?? (await startLocal(name, recipe));
    writeRunning(name, started);
    return started.service;
  });
}

async function isUsable(recipe: Recipe, running: Running): Promise<boolean> {
  if (running.process && !isAlive(running.process)) return false;
  return recipe.healthy(running.service).catch(() => false);
}

async function startLocal(name: ServiceName, recipe: Recipe): Promise<Running> {
  const missing = recipe.missing();
  if (missing) throw new Error(`${name}: ${missing} (or set ${recipe.environment} to the URL of a running one)`);
  return recipe.start();
}

/** Takes credentials, and for SFTP the host key and the folder, out of a URL. */
export function fromEnvironment(name: ServiceName, text: string): Service {
  const url = new URL(text);
  const { username, password } = url;
  const hostKey = url.searchParams.get('hostKey');
  const folder = url.protocol === 'sftp:' && url.pathname.length > 1 ? url.pathname : undefined;
  url.username = '';
  url.password = '';
  url.search = '';
  if (url.protocol === 'sftp:') url.pathname = '';
  return {
    name,
    url: url.href.replace(/\/$/, ''),
    ...(username && { username: decodeURIComponent(username) }),
    ...(password && { password: decodeURIComponent(password) }),
    ...(hostKey && { hostKey }),
    ...(folder && { folder }),
  };
}

let serial = 0;

/** A name nobody else uses on a shared server: lower case, fit for a bucket, an index, a database or a folder. */
export function unique(prefix: string): string {
  return `${prefix}-${process.pid.toString(36)}-${Date.now().toString(36)}-${++serial}`;
}
