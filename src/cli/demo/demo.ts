import { rmSync } from 'node:fs';
import type { EddsSimulator } from '../../../simulators/edds/index.js';
import { createLog } from '../../log.js';
import type { Started } from '../../main.js';
import { CliError, EXIT, type ExitCode } from '../exit-codes.js';
import type { Output } from '../output/output.js';
import { startEdds } from './edds.js';
import { generate } from './generator.js';
import { type DemoOrder, demoOrders } from './orders.js';
import { createReport, type Ready } from './report.js';
import { watchOrders } from './watch.js';
import { freePort, makeRoot, makeWorkspace, type Workspace } from './workspace.js';

export interface DemoOptions {
  readonly dir?: string;
  readonly data?: string;
  readonly once?: boolean;
  readonly port: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly cwd: string;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** What consumers on ESA's stack try first; another when it is taken. */
const MALTCP_PORT = 61616;
const EDDS_PORT = 8090;

/** Runs until the signal, or with `once` until each order has a verified delivery; then everything it started is stopped. */
export async function runDemo(options: DemoOptions, out: Output, signal: AbortSignal): Promise<ExitCode> {
  const root = makeRoot(options);
  const log = createLog({ level: options.logLevel, format: 'auto', stream: options.stderr });
  const ended = new AbortController();
  const any = AbortSignal.any([signal, ended.signal]);
  let workspace: Workspace | null = null;
  try {
    await out.say('starting a stand-in for EDDS and the gateway with a database of its own …');
    const edds = await startEdds(root, await freePort(EDDS_PORT));
    try {
      workspace = makeWorkspace(root, {
        ...options,
        port: await freePort(options.port),
        malPort: await freePort(MALTCP_PORT),
        wsdl: edds.wsdlUrl,
      });
      const { startGateway } = await import('../../main.js');
      const started = await startGateway(workspace.config, { log, signal: any });
      try {
        return await show({ started, edds, workspace }, options, out, any, ended);
      } finally {
        ended.abort();
        if (signal.aborted) await out.say('\nstopping …');
        await started.stop();
      }
    } finally {
      await edds.stop();
    }
  } finally {
    if (workspace === null) {
      if (options.data === undefined) rmSync(root, { recursive: true, force: true });
    } else {
      workspace.remove(options.once === true);
      await out.say(`stopped; ${farewell(workspace, options)}`);
    }
  }
}

function farewell({ temporary, root, delivered }: Workspace, { once }: DemoOptions): string {
  if (!temporary) return `everything is kept in ${root}`;
  return once === true ? `what was delivered is in ${delivered}` : `${root} is removed (--data FOLDER would keep it)`;
}

interface Running {
  readonly started: Started;
  readonly edds: EddsSimulator;
  readonly workspace: Workspace;
}

async function show(
  { started, edds, workspace }: Running,
  options: DemoOptions,
  out: Output,
  signal: AbortSignal,
  ended: AbortController,
): Promise<ExitCode> {
  const { gateway } = started;
  const report = createReport(out);
  const principal = await gateway.access.principal('operator');
  const { key } = await gateway.access.createKey('operator', { label: 'demo' });
  const { cursor } = await gateway.events.read({ cursor: null }, 1, principal);
  await catalogueRead(started, signal);
  const orders = await demoOrders(started, workspace, key);
  const ready: Ready = { urls: started.urls, key, orders, edds, workspace, generates: options.dir === undefined };
  await report.ready(ready);

  const generating = ready.generates ? generate(workspace.products, options.everyMs, signal) : Promise.resolve();
  const timer =
    options.once === true ? setTimeout(() => ended.abort(new Error('timeout')), options.timeoutMs) : undefined;
  const waiting = new Set(orders.map(({ order }) => Number(order)));
  try {
    for await (const event of watchOrders(
      { gateway, principal, orders, products: workspace.products },
      cursor,
      signal,
    )) {
      await report.event(event);
      if (event.event === 'failed' && options.once === true)
        throw new CliError(EXIT.integrity, `${event.product}: ${event.reason}`);
      if (event.event !== 'verified' || !waiting.delete(event.order) || waiting.size > 0) continue;
      if (options.once === true) return EXIT.ok;
      await report.next(ready);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    ended.abort();
    await generating;
  }
  if (options.once === true && (ended.signal.reason as Error | undefined)?.message === 'timeout') {
    const missing = orders.filter(({ order }) => waiting.has(Number(order)));
    throw new CliError(EXIT.failed, await whyNothing(started, missing, options));
  }
  return EXIT.ok;
}

/** EDDS has told what it holds, so that orders for it find their streams at once. */
async function catalogueRead({ backends }: Started, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(30_000)]);
  await backends.find(({ id }) => id === 'edds')?.follow({ cursor: null, interest: null }, { signal: limit });
}

async function whyNothing(
  { gateway }: Started,
  missing: readonly DemoOrder[],
  { timeoutMs, dir }: DemoOptions,
): Promise<string> {
  const principal = await gateway.access.principal('operator');
  const reasons = (await gateway.health()).parts.filter(({ ok }) => !ok).map(({ id, reason }) => `${id}: ${reason}`);
  for (const { order, backend } of missing) {
    const rows = Object.entries((await gateway.orders.get(order, principal)).counts);
    const none =
      backend === 'archive' && dir !== undefined ? `no product was found in ${dir}` : 'no product was matched';
    const state = rows.map(([name, count]) => `${count} ${name}`).join(', ');
    reasons.push(`order ${order}: ${state === '' ? none : `deliveries: ${state}`}`);
  }
  return `nothing was delivered and verified within ${timeoutMs / 1000} s (${reasons.join('; ')})`;
}
