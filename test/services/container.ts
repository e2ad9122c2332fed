import type { Recipe, ServiceName } from './catalogue.js';
import { run, until } from './processes.js';
import type { Running } from './state.js';

let engine: Promise<boolean> | undefined;

/** True when a container engine answers; `MPD_TEST_CONTAINERS=off` never asks. */
function hasEngine(): Promise<boolean> {
  engine ??=
    process.env.MPD_TEST_CONTAINERS === 'off'
      ? Promise.resolve(false)
      : run('docker', ['info', '--format', '{{.ServerVersion}}']).then(
          (version) => version.trim() !== '',
          () => false,
        );
  return engine;
}

/** Starts the server in a container on a free loopback port; undefined when there is no engine or no image for it. */
export async function startContainer(name: ServiceName, recipe: Recipe): Promise<Running | undefined> {
  const { container } = recipe;
  if (!container || !(await hasEngine())) return undefined;
  const env = Object.entries(container.env).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
  const publish = ['-p', `127.0.0.1::${container.port}`];
  const command = container.command ?? [];
  const id = (await run('docker', ['run', '-d', '--rm', ...publish, ...env, container.image, ...command])).trim();
  const mapped = await run('docker', ['port', id, `${container.port}/tcp`]);
  const port = Number(/:(\d+)\s*$/m.exec(mapped)?.[1]);
  const service = container.service(port);
  try {
    await until(() => recipe.healthy(service), name, { timeoutMs: 120_000 });
  } catch (error) {
    await run('docker', ['rm', '-f', id]);
    throw error;
  }
  return { service, container: id };
}
