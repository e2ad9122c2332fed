import type { Command } from 'commander';
import type { GatewayConfig } from '../../config/index.js';
import { isExaminable } from '../../gateway/examine.js';
import { createLog } from '../../log.js';
import type { Started } from '../../main.js';
import { attachEmbedded } from '../../store/index.js';
import { EXIT } from '../exit-codes.js';
import {
  bad,
  checkCertificate,
  checkDatabase,
  checkFiles,
  checkListener,
  checkNode,
  type Finding,
  good,
} from '../local/checks.js';
import { type ConfigOptions, configOption, readConfig } from '../local/config.js';
import { counted } from '../output/human.js';
import type { Local, Runner } from '../runner.js';

const MARK = { ok: 'ok     ', warning: 'warning', bad: 'BAD    ' } as const;

export function doctorCommand(program: Command, { local }: Runner): void {
  local<ConfigOptions & { backend?: string }>(
    configOption(
      program.command('doctor').description('Look at everything the gateway needs: what is wrong and what to do.'),
    ).option('--backend <id>', 'look at this backend only'),
    ['mpd-gateway doctor', 'mpd-gateway doctor --backend solo', 'mpd-gateway doctor --json'],
    async (tools, options) => {
      let wrong = 0;
      let warned = 0;
      for await (const finding of examine(tools, options)) {
        if (finding.state === 'bad') wrong++;
        if (finding.state === 'warning') warned++;
        if (tools.out.json) await tools.out.value(finding);
        else
          await tools.out.say(
            `${MARK[finding.state]}  ${finding.part}: ${finding.found}${finding.todo === null ? '' : `\n         → ${finding.todo}`}`,
          );
      }
      await tools.out.say(wrong + warned === 0 ? 'all is well' : `${wrong} wrong, ${counted(warned, 'warning')}`);
      return wrong > 0 ? EXIT.findings : EXIT.ok;
    },
  );
}

async function* examine(tools: Local, options: ConfigOptions & { readonly backend?: string }): AsyncGenerator<Finding> {
  const { config, file } = await readConfig(options, tools);
  if (options.backend !== undefined && !config.backends.some(({ id }) => id === options.backend)) {
    const known = config.backends.map(({ id }) => id).join(', ');
    yield bad(`backend ${options.backend}`, 'is not in the configuration', `there are: ${known || 'none'}`);
    return;
  }
  if (options.backend === undefined) {
    yield checkNode();
    yield good('configuration', file ?? 'no file, all defaults');
    yield* checkFiles(config);
    yield* checkListeners(config);
  }
  yield* checkParts(config, tools, options.backend);
}

async function* checkListeners({ listen }: GatewayConfig): AsyncGenerator<Finding> {
  const listeners = {
    http: listen.http.enabled ? listen.http : undefined,
    maltcp: listen.maltcp,
    malhttp: listen.malhttp,
  };
  for (const [name, listener] of Object.entries(listeners)) {
    if (listener === undefined) continue;
    yield await checkListener(name, listener, name === 'http' && (await answers(listen.http)));
    if (listener.tls !== undefined) yield checkCertificate(name, listener.tls.cert);
  }
}

/** Whether a gateway of ours is what listens there; only asked without TLS, whose name need not be the bound address. */
async function answers({ host, port, tls }: GatewayConfig['listen']['http']): Promise<boolean> {
  if (tls !== undefined || port === 0) return false;
  const name = host.includes(':') ? `[${host}]` : host;
  try {
    const response = await fetch(`http://${name}:${port}/healthz`, {
      signal: AbortSignal.timeout(2_000),
      redirect: 'manual',
    });
    return response.ok;
  } catch {
    return false;
  }
}

/** Database, backends and targets through the gateway's own parts, without starting to follow or deliver. */
async function* checkParts(config: GatewayConfig, { signal }: Local, backend?: string): AsyncGenerator<Finding> {
  const running = config.store.url === undefined ? await attachEmbedded(config.store.dir) : undefined;
  const url = config.store.url ?? running?.url;
  const backends = backend === undefined ? config.backends : config.backends.filter(({ id }) => id === backend);
  const { startGateway } = await import('../../main.js');
  let started: Started;
  try {
    const log = createLog({ level: 'silent', format: 'json' });
    started = await startGateway({ ...config, backends, store: { ...config.store, url } }, { log, signal, run: false });
  } catch (error) {
    yield bad(
      backend === undefined ? 'start' : `backend ${backend}`,
      (error as Error).message,
      'the gateway cannot start before this is put right',
    );
    return;
  }
  try {
    const reach =
      config.store.url !== undefined
        ? 'url'
        : running === undefined
          ? 'started for this command'
          : 'beside a running gateway';
    if (backend === undefined) yield* await checkDatabase({ store: started.store, reach });
    const only = started.backends.find(({ id }) => id === backend);
    if (only !== undefined && isExaminable(only)) {
      for await (const one of only.examine(signal)) yield { ...one, part: `backend ${only.id}: ${one.part}` };
      return;
    }
    for (const part of (await started.gateway.health()).parts) {
      if (part.kind === 'store' || (backend !== undefined && part.kind !== 'backend')) continue;
      const name = `${part.kind} ${part.id}`;
      // One that is not well is looked at in detail.
      const examined = part.ok
        ? undefined
        : started.backends.find(({ id }) => part.kind === 'backend' && id === part.id);
      if (examined !== undefined && isExaminable(examined)) {
        let faults = 0;
        for await (const one of examined.examine(signal)) {
          if (one.state === 'bad') faults++;
          yield { ...one, part: `${name}: ${one.part}` };
        }
        if (faults > 0) continue;
      }
      yield part.ok ? good(name, part.reason) : bad(name, part.reason, 'put right what it says, then run doctor again');
    }
  } finally {
    await started.stop();
  }
}
